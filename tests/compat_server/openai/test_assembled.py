"""A stream's chunks as the completion that they amount to."""

import json
from typing import Any

from compat_server.openai.assembled import Assembled
from tests.fakes.fake_openai_engine import chunk, event, text_stream

DONE = b"data: [DONE]\n\n"


def whole(*events: bytes) -> Any:
    assembled = Assembled()
    for each in events:
        assembled.add(each)
    return assembled.completion()


def message(*events: bytes) -> Any:
    return whole(*events)["choices"][0]["message"]


def call(index: int, **function: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": function}]}


def test_text() -> None:
    answer = whole(*text_stream("Hel", "lo"))
    said = {"role": "assistant", "content": "Hello", "refusal": None}
    assert answer == {
        "id": "chatcmpl-1",
        "created": 1700000000,
        "model": "upstream",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": said, "logprobs": None, "finish_reason": "stop"}],
    }


def test_several_events_at_once_are_the_same() -> None:
    events = text_stream("Hel", "lo", usage=True)
    assert whole(b"".join(events)) == whole(*events)


def test_comments_and_other_fields_are_left_out() -> None:
    events = [b": ping\n\n", b"event: chunk\n" + event(chunk({"content": "Hi"})), DONE]
    assert message(*events)["content"] == "Hi"


def test_text_that_looks_like_an_event() -> None:
    text = "\n\ndata: [DONE]\n\n"
    assert message(event(chunk({"content": text})))["content"] == text


def test_fields_of_the_engine_are_left_out() -> None:
    first = event(chunk({"content": "a"}, timings={"ms": 1}, obfuscation="x", service_tier=None))
    answer = whole(first, event(chunk({}, "stop", system_fingerprint="fp", service_tier="default")))
    assert answer.keys() & {"timings", "obfuscation", "service_tier"} == {"service_tier"}
    assert answer["system_fingerprint"] == "fp"


def test_usage_where_the_stream_has_it() -> None:
    assert whole(*text_stream("a", usage=True))["usage"]["completion_tokens"] == 1
    assert "usage" not in whole(event(chunk({"content": "a"}, usage=None)))


def test_refusal_and_fields_of_ones_own() -> None:
    said = message(
        event(chunk({"role": "assistant", "content": None, "refusal": "I ca"})),
        event(chunk({"refusal": "n't", "reasoning_content": "Hm"})),
        event(chunk({"reasoning_content": "m"})),
    )
    assert said == {
        "role": "assistant",
        "content": None,
        "refusal": "I can't",
        "reasoning_content": "Hmm",
    }


def test_tool_calls_by_index() -> None:
    first = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "f"}}
    second = {"index": 1, "id": "call_b", "type": "function", "function": {"name": "g"}}
    said = message(
        event(chunk({"role": "assistant", "content": None, "tool_calls": [first]})),
        event(chunk({"tool_calls": [second]})),
        event(chunk(call(1, arguments='{"y"'))),
        event(chunk(call(0, arguments='{"x":'))),
        event(chunk(call(1, arguments=":2}"))),
        event(chunk(call(0, arguments="1}"))),
        event(chunk({}, "tool_calls")),
    )
    assert said["content"] is None
    calls = [(c["id"], c["type"], *c["function"].values()) for c in said["tool_calls"]]
    assert calls == [
        ("call_a", "function", "f", '{"x":1}'),
        ("call_b", "function", "g", '{"y":2}'),
    ]


def test_choices_in_the_order_of_their_indices() -> None:
    pieces = [(1, "B"), (0, "A"), (1, "b"), (0, "a")]
    events = []
    for index, text in pieces:
        one = chunk({"content": text})
        one["choices"][0]["index"] = index
        events.append(event(one))
    choices = whole(*events)["choices"]
    assert [(c["index"], c["message"]["content"]) for c in choices] == [(0, "Aa"), (1, "Bb")]


def test_logprobs_are_one_list() -> None:
    events = []
    for text in ("Hel", "lo"):
        one = chunk({"content": text})
        one["choices"][0]["logprobs"] = {"content": [{"token": text}], "refusal": None}
        events.append(event(one))
    events.append(event(chunk({}, "length")))
    (choice,) = whole(*events)["choices"]
    assert choice["logprobs"] == {"content": [{"token": "Hel"}, {"token": "lo"}], "refusal": None}
    assert choice["finish_reason"] == "length"
    json.dumps(choice)
