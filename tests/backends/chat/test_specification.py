import re
from typing import Any, get_args

import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.chat_completion import Choice

from backends.capabilities import ChatRequest
from backends.chat.specification import Conformer, Json
from backends.errors import EngineFailed
from tests.fakes.fake_openai_engine import chunk, completion

REASONS = get_args(Choice.model_fields["finish_reason"].annotation)


def conformer(**fields: Any) -> Conformer:
    return Conformer(ChatRequest("chat/completions", "asked-for", fields))


def legacy(**fields: Any) -> Conformer:
    return Conformer(ChatRequest("completions", "asked-for", fields))


def call(name: str = "f", arguments: Any = "{}", **more: Any) -> Json:
    return {"function": {"name": name, "arguments": arguments}, **more}


def test_whole_answer_has_every_field_of_the_specification() -> None:
    answer = conformer().answer({"choices": [{"message": {"content": "Hi"}}]})
    ChatCompletion.model_validate(answer, strict=True)
    assert answer["model"] == "asked-for"
    assert answer["object"] == "chat.completion"
    assert answer["id"].startswith("chatcmpl-")
    choice = answer["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "Hi", "refusal": None}
    assert choice["logprobs"] is None
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


def test_engine_fields_are_dropped_and_unknown_ones_kept() -> None:
    theirs = completion(reasoning_content="because")
    theirs |= {"timings": {}, "prompt_token_ids": [1], "prompt_logprobs": None, "citations": []}
    answer = conformer().answer(theirs)
    assert not {"timings", "prompt_token_ids", "prompt_logprobs"} & answer.keys()
    assert answer["choices"][0]["message"]["reasoning_content"] == "because"
    assert answer["citations"] == []


def test_id_is_kept_if_it_looks_like_the_vendors() -> None:
    assert conformer().answer(completion())["id"] == "chatcmpl-1"
    assert conformer().answer({**completion(), "id": "gen-1"})["id"].startswith("chatcmpl-")
    theirs = {"id": "chatcmpl-1", "choices": [{"text": ""}]}
    assert legacy().answer(theirs)["id"].startswith("cmpl-")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("eos", "stop"),
        ("eos_token", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        (None, "stop"),
        ("", "stop"),
    ],
)
def test_odd_finish_reasons_of_whole_answers(theirs: str | None, ours: str) -> None:
    answer = conformer().answer(completion(finish=theirs))  # type: ignore[arg-type]
    assert answer["choices"][0]["finish_reason"] == ours


@pytest.mark.parametrize("theirs", ["end_turn", "repetition", "tool_use"])
def test_finish_reason_that_no_specification_knows_becomes_one_of_the_vendors(theirs: str) -> None:
    assert conformer().answer(completion(finish=theirs))["choices"][0]["finish_reason"] in REASONS
    (last,) = conformer().chunk(chunk({}, theirs))
    assert last["choices"][0]["finish_reason"] in REASONS


@pytest.mark.parametrize("theirs", ["abort", "error"])
def test_engine_that_gave_up_has_failed(theirs: str) -> None:
    with pytest.raises(EngineFailed):
        conformer().answer(completion(finish=theirs))
    with pytest.raises(EngineFailed):
        conformer().chunk(chunk({}, theirs))


def test_call_demanded_by_name_ends_with_stop_and_any_other_with_tool_calls() -> None:
    theirs = completion(None, tool_calls=[call()])
    assert conformer().answer(theirs)["choices"][0]["finish_reason"] == "tool_calls"
    theirs = completion(None, finish="tool_calls", tool_calls=[call()])
    named = conformer(tool_choice={"type": "function", "function": {"name": "f"}})
    assert named.answer(theirs)["choices"][0]["finish_reason"] == "stop"
    cut = completion(None, finish="length", tool_calls=[call()])
    assert conformer().answer(cut)["choices"][0]["finish_reason"] == "length"


def test_tool_calls_get_what_engines_leave_out() -> None:
    theirs = completion("", tool_calls=[call(), call("g", "", id="call_1", type="function")])
    message = conformer().answer(theirs)["choices"][0]["message"]
    first, second = message["tool_calls"]
    assert message["content"] is None
    assert re.fullmatch(r"call_\w{24}", first["id"])
    assert first["type"] == "function"
    assert second == call("g", "{}", id="call_1", type="function")


def test_arguments_sent_as_an_object_become_text() -> None:
    theirs = completion(None, tool_calls=[call("f", {"city": "Oslo"})])
    (made,) = conformer().answer(theirs)["choices"][0]["message"]["tool_calls"]
    assert made["function"]["arguments"] in ('{"city":"Oslo"}', '{"city": "Oslo"}')


def test_empty_tool_calls_are_no_tool_calls() -> None:
    choice = conformer().answer(completion(tool_calls=[]))["choices"][0]
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "stop"


def test_logprobs_get_bytes_alternatives_and_no_infinity() -> None:
    theirs = completion()
    token = {"token": "é", "logprob": None, "id": 5}
    theirs["choices"][0]["logprobs"] = {"content": [{**token, "top_logprobs": [token]}]}
    answer = conformer(logprobs=True, top_logprobs=1).answer(theirs)
    ChatCompletion.model_validate(answer, strict=True)
    known = {"token": "é", "logprob": -9999.0, "bytes": [0xC3, 0xA9]}
    expected = {"content": [{**known, "top_logprobs": [known]}], "refusal": None}
    assert answer["choices"][0]["logprobs"] == expected


def test_role_comes_with_the_first_chunk_of_each_choice_and_only_there() -> None:
    conform = conformer(n=2)
    bare = [chunk({"content": "a"}), chunk({"role": "assistant", "content": "b"})]
    deltas = [c["choices"][0]["delta"] for one in bare for c in conform.chunk(one)]
    opening = {"role": "assistant", "content": "a", "refusal": None}
    assert deltas == [opening, {"content": "b"}]
    second = chunk({"content": None})
    second["choices"][0]["index"] = 1
    (opened,) = conform.chunk(second)
    assert opened["choices"][0]["delta"] == {**opening, "content": ""}
    ChatCompletionChunk.model_validate(opened, strict=True)


def test_vllm_first_tool_chunk_lacks_type_and_later_ones_repeat_the_name() -> None:
    conform = conformer()
    pieces = [
        {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": None}},
        {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": '{"a"'}},
        {"index": 0, "function": {"arguments": ":1}"}},
    ]
    chunks = [c for piece in pieces for c in conform.chunk(chunk({"tool_calls": [piece]}))]
    for one in chunks:
        ChatCompletionChunk.model_validate(one, strict=True)
    first, second, third = (c["choices"][0]["delta"]["tool_calls"][0] for c in chunks)
    assert first == {"index": 0, "type": "function", **call("f", "", id="call_1")}
    assert second == {"index": 0, "function": {"arguments": '{"a"'}}
    assert third == {"index": 0, "function": {"arguments": ":1}"}}
    (last,) = conform.chunk(chunk({}, "stop"))
    assert last["choices"][0]["finish_reason"] == "tool_calls"


def test_usage_is_a_chunk_of_its_own_if_asked_for_and_nothing_otherwise() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 9}
    theirs = chunk({"content": ""}, "stop", usage=usage)
    asked = conformer(stream_options={"include_usage": True})
    last, counts = asked.chunk({**theirs})
    assert last["usage"] is None
    assert counts["choices"] == []
    assert counts["usage"]["total_tokens"] == 5
    ChatCompletionChunk.model_validate(counts, strict=True)
    (only,) = conformer().chunk({**theirs})
    assert "usage" not in only
    assert conformer().chunk(chunk(usage=usage)) == []


def test_legacy_logprobs_in_chats_shape_become_four_lists_with_running_offsets() -> None:
    conform = legacy(logprobs=1)
    texts = []
    for text in ("ab", "c"):
        token = {"token": text, "logprob": -1.0, "top_logprobs": [{"token": "x", "logprob": -2.0}]}
        choice = {"text": text, "logprobs": {"content": [token]}, "finish_reason": None}
        (one,) = conform.chunk({"choices": [choice]})
        texts.append(one["choices"][0]["logprobs"])
    assert texts[0]["text_offset"] == [0]
    assert texts[1] == {
        "tokens": ["c"],
        "token_logprobs": [-1.0],
        "top_logprobs": [{"x": -2.0}],
        "text_offset": [2],
    }


def test_legacy_answer_conforms() -> None:
    answer = legacy().answer({"choices": [{"text": "x", "finish_reason": "eos"}]})
    Completion.model_validate(answer, strict=True)
    assert answer["object"] == "text_completion"
