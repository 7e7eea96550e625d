"""Against a fake on a real socket: what is sent, and what comes of each odd answer."""
# ruff: noqa: ASYNC110

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from backends import transport
from backends.capabilities import ChatRequest
from backends.chat.events import payloads
from backends.chat.openai_compatible import OpenAICompatible
from backends.errors import (
    CompatError,
    ContextTooLong,
    EngineFailed,
    InvalidRequest,
    Overloaded,
    RateLimited,
)
from tests.fakes.fake_openai_engine import (
    Ending,
    FakeEngine,
    chunk,
    completion,
    event,
    text_stream,
)

HI = [{"role": "user", "content": "Hi"}]


def asking(**fields: Any) -> ChatRequest:
    fields = {"model": "asked-for", "messages": HI, **fields}
    return ChatRequest("chat/completions", "asked-for", fields)


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as fake:
        yield fake


@pytest.fixture
async def chat(engine: FakeEngine) -> AsyncIterator[OpenAICompatible]:
    headers = {"authorization": "Bearer secret"}
    backend = OpenAICompatible(
        transport.Transport(engine.url, engine="vllm", headers=headers), upstream_model="org/model"
    )
    yield backend
    await backend.close()


async def streamed(chat: OpenAICompatible, **fields: Any) -> bytes:
    events = await chat.stream(asking(stream=True, **fields))
    return b"".join([item async for item in events])


async def test_model_is_renamed_and_everything_else_is_passed_on(
    engine: FakeEngine, chat: OpenAICompatible
) -> None:
    engine.answers(completion())
    await chat.complete(asking(top_k=5, chat_template_kwargs={"thinking": False}, user="me"))
    assert engine.last.json == {
        "model": "org/model",
        "messages": HI,
        "top_k": 5,
        "chat_template_kwargs": {"thinking": False},
        "user": "me",
    }
    assert engine.last.path == "/v1/chat/completions"
    assert engine.last.headers["authorization"] == "Bearer secret"
    assert engine.last.headers["content-type"] == "application/json"


async def test_answer_carries_the_name_that_was_asked_for(
    engine: FakeEngine, chat: OpenAICompatible
) -> None:
    engine.answers({**completion("Hello"), "prompt_logprobs": None})
    answer = json.loads(await chat.complete(asking()))
    ChatCompletion.model_validate(answer, strict=True)
    assert answer["model"] == "asked-for"
    assert answer["choices"][0]["message"]["content"] == "Hello"


async def test_stream_of_vllm_with_usage_and_a_tool_call(
    engine: FakeEngine, chat: OpenAICompatible
) -> None:
    call = {"index": 0, "id": "chatcmpl-tool-1", "function": {"name": "f"}}
    more = {"index": 0, "function": {"arguments": '{"a": 1}'}}
    counts = {"prompt_tokens": 5, "completion_tokens": 9, "prompt_tokens_details": None}
    engine.streams(
        [
            event(chunk({"role": "assistant", "content": ""}, prompt_token_ids=None)),
            event(chunk({"tool_calls": [call]})),
            event(chunk({"tool_calls": [more]})),
            event(chunk({"content": ""}, "tool_calls", stop_reason=None)),
            event(chunk(usage=counts)),
            b"data: [DONE]\n\n",
        ]
    )
    out = await streamed(chat, stream_options={"include_usage": True})
    *chunks, last = [json.loads(data) for data in payloads(out)[:-1]]
    for one in [*chunks, last]:
        ChatCompletionChunk.model_validate(one, strict=True)
    calls = [c for one in chunks for c in one["choices"][0]["delta"].get("tool_calls", ())]
    assert calls[0]["type"] == "function"
    assert "".join(c["function"]["arguments"] for c in calls) == '{"a": 1}'
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert last["usage"]["total_tokens"] == 14
    assert engine.last.json["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("size", [1, 50])
async def test_stream_in_awkward_pieces_with_crlf(
    engine: FakeEngine, chat: OpenAICompatible, size: int
) -> None:
    whole = b"".join(text_stream("Grüße ", "\U0001f30d")).replace(b"\n", b"\r\n")
    engine.streams(whole[at : at + size] for at in range(0, len(whole), size))
    out = await streamed(chat)
    texts = [json.loads(d)["choices"][0]["delta"].get("content", "") for d in payloads(out)[:-1]]
    assert "".join(texts) == "Grüße \U0001f30d"


REFUSALS: list[tuple[int, object, type[CompatError], str]] = [
    (400, {"error": {"message": "bad top_p", "param": "top_p"}}, InvalidRequest, "bad top_p"),
    (400, {"object": "error", "message": "bad", "code": 400}, InvalidRequest, "bad"),
    (400, {"error": "maximum context length is 10"}, ContextTooLong, "maximum context"),
    (422, {"detail": [{"loc": ["body", "n"], "msg": "odd"}]}, InvalidRequest, "odd"),
    (401, {"error": {"message": "bad key secret"}}, EngineFailed, "configuration"),
    (404, {"detail": "Not Found"}, EngineFailed, "Not Found"),
    (502, b"<html>Bad gateway</html>", EngineFailed, "502"),
    (500, {"error": {"message": "CUDA out of memory"}}, EngineFailed, "CUDA"),
    (302, b"", EngineFailed, "302"),
]


@pytest.mark.parametrize(("status", "body", "kind", "said"), REFUSALS)
@pytest.mark.parametrize("stream", [False, True])
async def test_refusals(
    engine: FakeEngine,
    chat: OpenAICompatible,
    status: int,
    body: object,
    kind: type[CompatError],
    said: str,
    stream: bool,
) -> None:
    engine.answers(body, status, location=f"{engine.url}/elsewhere")
    with pytest.raises(kind, match=said):
        await (streamed(chat) if stream else chat.complete(asking()))
    assert len(engine.received) == 1, "no retry and no redirect followed"


async def test_rate_limit_keeps_its_retry_after(engine: FakeEngine, chat: OpenAICompatible) -> None:
    engine.answers({"error": {"message": "slow down"}}, 429, retry_after="7")
    with pytest.raises(RateLimited, match="slow down") as refused:
        await chat.complete(asking())
    assert refused.value.retry_after == 7


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"[]", b"null", b"{}", b'{"choices": []}', b'{"choices": null}'),
        *(b'{"error": {"message": "no"}}', b'{"choices": [5]}', b'{"choices": [{"message": 5}]}'),
    ],
)
async def test_answer_with_status_200_that_is_none(
    engine: FakeEngine, chat: OpenAICompatible, body: bytes
) -> None:
    engine.answers(body)
    with pytest.raises(EngineFailed):
        await chat.complete(asking())


@pytest.mark.parametrize("ending", ["cut", "reset", "closed"])
@pytest.mark.parametrize("stream", [False, True])
async def test_engine_that_dies(
    engine: FakeEngine, chat: OpenAICompatible, ending: Ending, stream: bool
) -> None:
    engine.streams(text_stream("Hello", "world")[:2], ending)
    with pytest.raises(EngineFailed):
        await (streamed(chat) if stream else chat.complete(asking()))
    engine.answers(completion())
    assert b"Hello" in await chat.complete(asking()), "the next request works"


async def test_engine_that_never_answers(
    engine: FakeEngine, chat: OpenAICompatible, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "SILENCE_SECONDS", 0.2)
    engine.streams([], "hang")
    with pytest.raises(EngineFailed):
        await chat.complete(asking())
    engine.streams(text_stream("x")[:2], "hang")
    with pytest.raises(EngineFailed):
        await streamed(chat)


async def test_caller_who_leaves_closes_the_connection_to_the_engine(
    engine: FakeEngine, chat: OpenAICompatible
) -> None:
    engine.streams(text_stream("x")[:2], "hang")
    events = await chat.stream(asking(stream=True))
    async for _ in events:
        break
    await events.aclose()
    assert await asyncio.to_thread(engine.caller_left.wait, 5)


async def test_caller_who_left_before_the_stream_was_begun_closes_it_too(
    engine: FakeEngine, chat: OpenAICompatible
) -> None:
    engine.streams(text_stream("x")[:2], "hang")
    events = await chat.stream(asking(stream=True))
    await events.aclose()
    assert await asyncio.to_thread(engine.caller_left.wait, 5)


async def test_caller_who_leaves_before_the_first_byte_closes_it_too(
    engine: FakeEngine, chat: OpenAICompatible
) -> None:
    engine.streams([], "hang")
    asked = asyncio.create_task(chat.complete(asking()))
    while not engine.received:
        await asyncio.sleep(0.01)
    asked.cancel()
    assert await asyncio.to_thread(engine.caller_left.wait, 5)


async def test_engine_that_is_not_there_is_overloaded_and_not_healthy(engine: FakeEngine) -> None:
    with FakeEngine() as gone:
        url = gone.url
    backend = OpenAICompatible(transport.Transport(url, engine="gone"), upstream_model="m")
    with pytest.raises(Overloaded):
        await backend.complete(asking())
    assert not await backend.healthy()
    await backend.close()


async def test_healthy_if_it_lists_its_models(chat: OpenAICompatible) -> None:
    assert await chat.healthy()
