"""What an SDK hides and others rely on: framing, headers, every chunk's keys, paths."""

from typing import Any

import pytest
from openai import AzureOpenAI, OpenAI

from conformance_tests.live_server import LiveServer
from conformance_tests.wire import Exchange

CHAT: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Say hello."}],
    "max_tokens": 4,
}
LEGACY: dict[str, Any] = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once", "max_tokens": 4}
EMBED: dict[str, Any] = {"model": "text-embedding-3-small", "input": "Hello"}
USAGE = {"stream_options": {"include_usage": True}}
TOOL = {
    "tools": [{"type": "function", "function": {"name": "now"}}],
    "tool_choice": "required",
    "max_tokens": 60,
}

CHUNK = {"id", "object", "created", "model", "choices", "system_fingerprint"}


def stream(server: LiveServer, path: str, body: dict[str, Any]) -> Exchange:
    return server.wire.post(path, {**body, "stream": True})


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/chat/completions", CHAT), ("/v1/completions", LEGACY)]
)
def test_headers_of_a_stream(server: LiveServer, path: str, body: dict[str, Any]) -> None:
    answer = stream(server, path, body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "content-length" not in answer.headers
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.chunks()


@pytest.mark.parametrize("extra", [{}, USAGE, {"n": 2}, TOOL, {**TOOL, **USAGE}])
def test_chunks_of_chat(server: LiveServer, extra: dict[str, Any]) -> None:
    chunks = stream(server, "/v1/chat/completions", {**CHAT, **extra}).chunks()
    wants_usage = "stream_options" in extra
    assert {frozenset(chunk) for chunk in chunks} == {
        frozenset(CHUNK | {"usage"} if wants_usage else CHUNK)
    }
    assert len({(c["id"], c["created"], c["model"], c["object"]) for c in chunks}) == 1
    assert chunks[0]["object"] == "chat.completion.chunk"
    assert chunks[0]["id"].startswith("chatcmpl-")
    if wants_usage:
        last = chunks.pop()
        assert last["choices"] == []
        assert {"prompt_tokens", "completion_tokens", "total_tokens"} <= set(last["usage"])
        assert all(chunk["usage"] is None for chunk in chunks)
    started = set()
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        # `logprobs` is optional in the vendor's schema.
        assert set(choice) | {"logprobs"} == {"index", "delta", "logprobs", "finish_reason"}
        assert choice.get("logprobs") is None
        delta = choice["delta"]
        if choice["index"] not in started:
            started.add(choice["index"])
            assert delta["role"] == "assistant"
            assert delta["refusal"] is None
            assert (delta["content"] is None) == ("tool_calls" in delta)
        else:
            assert set(delta) <= {"content", "tool_calls"}
    assert started == set(range(extra.get("n", 1)))
    assert chunks[-1]["choices"][0]["delta"] == {}


@pytest.mark.parametrize("extra", [{}, USAGE, {"n": 2}])
def test_chunks_of_completions(server: LiveServer, extra: dict[str, Any]) -> None:
    chunks = stream(server, "/v1/completions", {**LEGACY, **extra}).chunks()
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        assert set(choice) == {"text", "index", "logprobs", "finish_reason"}
    assert all(("usage" in chunk) == ("stream_options" in extra) for chunk in chunks)


def test_keys_of_an_answer(server: LiveServer) -> None:
    answer = server.wire.post("/v1/chat/completions", CHAT)
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert CHUNK - {"system_fingerprint"} | {"usage"} <= set(body)
    assert set(body) <= CHUNK | {"usage", "service_tier"}, "the engine's own fields stay inside"
    assert set(body["choices"][0]) == {"index", "message", "logprobs", "finish_reason"}
    assert {"role", "content", "refusal"} <= set(body["choices"][0]["message"])


@pytest.mark.parametrize("extra", [{}, {"n": 2}])
def test_request_right_after_a_stream(server: LiveServer, extra: dict[str, Any]) -> None:
    """llama.cpp closes a connection on which it has streamed; no later request may fall into it."""
    statuses = set()
    for _ in range(15):
        statuses.add(stream(server, "/v1/chat/completions", {**CHAT, **extra}).status)
        statuses.add(server.wire.post("/v1/chat/completions", {**CHAT, "max_tokens": 1}).status)
    assert statuses == {200}


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
def test_prefixes(server: LiveServer, prefix: str) -> None:
    answers = [
        server.wire.get(f"{prefix}/models"),
        server.wire.post(f"{prefix}/chat/completions", CHAT),
        server.wire.post(f"{prefix}/completions", LEGACY),
        server.wire.post(f"{prefix}/embeddings", EMBED),
    ]
    assert [answer.status for answer in answers] == [200] * 4
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 4


def test_azure(server: LiveServer) -> None:
    """The path names the deployment, and the key has a header of its own."""
    client = AzureOpenAI(
        azure_endpoint=server.url, api_key="unused", api_version="2024-10-21", max_retries=0
    )
    answer = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], max_tokens=2
    )
    assert answer.choices[0].message.role == "assistant"
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Hi"}],
            max_tokens=2,
            stream=True,
        )
    )
    assert chunks[-1].choices[0].finish_reason
    vector = client.embeddings.create(model="text-embedding-3-small", input="Hi").data[0].embedding
    assert len(vector) == 384


def test_sdk_prefix_without_version(server: LiveServer) -> None:
    client = OpenAI(base_url=f"{server.url}/openai/v1/", api_key="unused", max_retries=0)
    assert client.models.list().data
