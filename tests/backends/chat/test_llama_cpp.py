"""What is sent to llama.cpp, and what is refused before anything is; answers come from the fake."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from backends.capabilities import ChatOperation, ChatRequest
from backends.chat.llama_cpp import LlamaCpp
from backends.chat.specification import Json
from backends.chat.tool_grammar import ForcedCall
from backends.chat.written_calls import WrittenCalls
from backends.errors import ContextTooLong, EngineFailed, Overloaded, Unsupported
from backends.transport import Transport
from tests.fakes.fake_openai_engine import FakeEngine, completion, text_stream

HI = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"properties": {}}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}


def chat(**fields: Any) -> ChatRequest:
    return ChatRequest("chat/completions", "asked-for", {"messages": HI, **fields})


def legacy(**fields: Any) -> ChatRequest:
    return ChatRequest("completions", "asked-for", {"prompt": "Hi", **fields})


def llama(url: str = "unix:/nowhere.sock", tools: str = "template") -> LlamaCpp:
    return LlamaCpp(Transport(url, engine="llama"), tools=tools, context=4096)


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as fake:
        yield fake


@pytest.fixture
async def live(engine: FakeEngine) -> AsyncIterator[LlamaCpp]:
    backend = llama(engine.url.removesuffix("/v1"))
    yield backend
    await backend.close()


def test_fields_of_the_engines_own_are_kept_from_callers() -> None:
    theirs = {"grammar": "x", "id_slot": 3, "cache_prompt": False, "n_probs": 9, "user": "me"}
    fields, steps = llama().prepare(chat(**theirs, temperature=0.5, top_k=5, stop=None))
    assert fields == {
        "messages": HI,
        "n": 1,
        "stream": False,
        "temperature": 0.5,
        "top_k": 5,
    }
    assert not steps


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 6, "max_tokens": 5}, {"max_tokens": 6}),
        ({"max_tokens": 10**9}, {"max_tokens": 4096}),
        ({"seed": -1}, {"seed": 0x3FFFFFFF}),
        ({"seed": 2**63 - 1}, {"seed": 0x3FFFFFFF}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"logprobs": True}, {"logprobs": True, "top_logprobs": 1}),
        ({"n": None}, {"n": 1}),
    ],
)
def test_limits_and_options_as_the_engine_takes_them(given: Json, sent: Json) -> None:
    fields, _ = llama().prepare(chat(**given))
    assert fields.items() >= sent.items()


def test_messages_become_plain_text_with_roles_that_every_template_knows() -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    messages = [{"role": "developer", "content": parts}, {"role": "assistant", "content": None}]
    fields, _ = llama().prepare(chat(messages=messages))
    assert fields["messages"] == [
        {"role": "system", "content": "Hello"},
        {"role": "assistant", "content": None},
    ]


def test_image_is_refused_by_its_place() -> None:
    messages = [*HI, {"role": "user", "content": [{"type": "text", "text": "see"}, IMAGE]}]
    with pytest.raises(Unsupported) as refused:
        llama().prepare(chat(messages=messages))
    assert refused.value.param == "messages[1].content[1].type"


@pytest.mark.parametrize(
    ("choice", "step", "tools_sent"),
    [("auto", WrittenCalls, True), (None, WrittenCalls, True), ("none", None, False)],
)
def test_tools_for_a_template_that_knows_them(choice: Any, step: Any, tools_sent: bool) -> None:
    fields, steps = llama().prepare(chat(tools=[TOOL], tool_choice=choice))
    assert ("tools" in fields) is tools_sent
    assert [type(s) for s in steps] == ([step] if step else [])


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "f"}}])
def test_demanded_call_is_held_to_its_schema_by_grammar(choice: Any) -> None:
    fields, steps = llama().prepare(chat(tools=[TOOL], tool_choice=choice))
    assert [type(step) for step in steps] == [ForcedCall]
    assert fields["response_format"]["type"] == "json_schema"


def test_runaway_lines_after_a_call_are_stopped_beside_the_callers_own_stop() -> None:
    fields, _ = llama().prepare(chat(tools=[TOOL], stop="END"))
    assert fields["stop"] == ["END", "\n" * 5]
    assert "stop" not in llama().prepare(chat())[0]


def test_template_without_tools_gets_them_as_text() -> None:
    fields, _ = llama(tools="prompted").prepare(chat(tools=[TOOL]))
    assert "tools" not in fields
    assert '"name":"f"' in fields["messages"][0]["content"]


def test_legacy_defaults_are_the_vendors() -> None:
    fields, _ = llama().prepare(legacy(logprobs=0))
    assert fields["max_tokens"] == 16
    assert fields["logprobs"] == 1


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 3, "n": 2}, "best_of"),
        ({"echo": True, "logprobs": 1}, "echo"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_what_the_engine_cannot_do_is_refused_rather_than_ignored(given: Json, param: str) -> None:
    with pytest.raises(Unsupported) as refused:
        llama().prepare(legacy(**given))
    assert refused.value.param == param


async def test_several_choices_are_several_requests_with_their_usage_summed(
    engine: FakeEngine, live: LlamaCpp
) -> None:
    engine.answers(completion("Hi"))
    answer = json.loads(await live.complete(chat(n=3, seed=1)))
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["usage"]["prompt_tokens"] == 5
    assert answer["usage"]["completion_tokens"] == 3
    assert sorted(request.json["seed"] for request in engine.received) == [1, 2, 3]
    assert engine.last.path == "/v1/chat/completions"


async def test_streamed_choices_end_with_one_done(engine: FakeEngine, live: LlamaCpp) -> None:
    engine.streams(text_stream("x", usage=True))
    out = b"".join([events async for events in await live.stream(chat(stream=True, n=2))])
    assert out.count(b"[DONE]") == 1
    assert out.count(b'"finish_reason":"stop"') == 2


CONTEXT = (
    "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it"
)


@pytest.mark.parametrize("fields", [{}, {"stream": True}, {"stream": True, "n": 2}, {"n": 2}])
@pytest.mark.parametrize("operation", ["chat/completions", "completions"])
async def test_refusal_is_raised_before_anything_is_streamed(
    engine: FakeEngine, live: LlamaCpp, fields: Json, operation: ChatOperation
) -> None:
    engine.answers({"error": {"code": 400, "message": CONTEXT, "type": "x"}}, 400)
    request = (chat if operation == "chat/completions" else legacy)(**fields)
    with pytest.raises(ContextTooLong, match=r"maximum context length is 4096 .* 9000 tokens"):
        await (live.stream if fields.get("stream") else live.complete)(request)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": 5}'])
@pytest.mark.parametrize("request_", [chat(), legacy(echo=True)], ids=["chat", "legacy"])
async def test_answer_that_is_none_is_a_failure(
    engine: FakeEngine, live: LlamaCpp, body: bytes, request_: ChatRequest
) -> None:
    engine.answers(body)
    with pytest.raises(EngineFailed):
        await live.complete(request_)


async def test_engine_that_is_being_restarted_is_overloaded_not_broken() -> None:
    backend = llama()
    with pytest.raises(Overloaded):
        await backend.complete(chat())
    assert not await backend.healthy()
    await backend.close()
