import json

import pytest

from backends.chat.specification import Json
from backends.chat.written_calls import WrittenCalls, described
from tests.fakes.fake_openai_engine import chunk, completion

TOOLS = [{"type": "function", "function": {"name": name}} for name in ("weather", "add")]
CALL = '{"name": "weather", "arguments": {"city": "Oslo"}}'
SECOND = '{"name": "add", "arguments": {"a": 1}}'

CALLS = {
    "fenced as json": f"```json\n{CALL}\n```",
    "fenced": f"```\n{CALL}\n```",
    "fence not closed": f"```json\n{CALL}",
    "bare": CALL,
    "tagged": f"<tool_call>\n{CALL}\n</tool_call>",
    "tag not closed": f"<tool_call>\n{CALL}",
    "after empty lines": f"\n\n<tool_call>{CALL}</tool_call>",
    "arguments first": '{"arguments": {"city": "Oslo"}, "name": "weather"}',
    "arguments as text": '{"name": "weather", "arguments": "{\\"city\\":\\"Oslo\\"}"}',
    "two tagged": f"<tool_call>{CALL}</tool_call>\n<tool_call>{SECOND}</tool_call>",
    "two in a fenced list": f"```json\n[{CALL}, {SECOND}]\n```",
}
TEXTS = {
    "words": "It is sunny in Oslo.",
    "nothing": "",
    "JSON that is no call": '{"city": "Oslo"}',
    "unknown function": '{"name": "delete_all", "arguments": {}}',
    "other code": "```python\nprint(1)\n```",
    "broken": '```json\n{"name": "weather", "arguments": {\n```',
    "words, then a call": f"I would call: {CALL}",
    "name of something": '{"name": "Oslo", "population": 700000}',
    "less-than sign": "<b>bold</b>",
    "opening only": "```",
}


def streamed(text: str, size: int) -> tuple[str, list[Json]]:
    """Content and calls as a caller puts them together."""
    step = WrittenCalls(TOOLS)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    sent = [chunk({"role": "assistant", "content": None})]
    sent += [*(chunk({"content": piece}) for piece in pieces), chunk({}, "stop")]
    content, calls = "", []
    out = [c for theirs in sent for c in step.chunk(theirs)]
    for one in out:
        delta = one["choices"][0]["delta"]
        content += delta.get("content") or ""
        calls += delta.get("tool_calls", [])
    assert out[-1]["choices"][0]["finish_reason"] == "stop"
    return content, calls


def functions(calls: list[Json]) -> list[tuple[str, Json]]:
    return [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in calls]


@pytest.mark.parametrize("text", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_written_call_becomes_a_call_whole_and_streamed(text: str, size: int) -> None:
    expected = [("weather", {"city": "Oslo"}), ("add", {"a": 1})][: text.count('"name"')]
    message = WrittenCalls(TOOLS).answer(completion(text))["choices"][0]["message"]
    assert message["content"] is None
    assert functions(message["tool_calls"]) == expected
    content, calls = streamed(text, size)
    assert content.strip() == ""
    assert functions(calls) == expected
    assert [call["index"] for call in calls] == list(range(len(expected)))
    assert len({call["id"] for call in calls}) == len(expected)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_text_that_is_no_call_stays_the_text_it_is(text: str, size: int) -> None:
    message = WrittenCalls(TOOLS).answer(completion(text))["choices"][0]["message"]
    assert message["content"] == text
    assert "tool_calls" not in message
    assert streamed(text, size) == (text, [])


@pytest.mark.parametrize("text", ["It is", "```python\n", '{"city"', "<b>"])
def test_text_is_let_go_as_soon_as_it_cannot_be_a_call(text: str) -> None:
    step = WrittenCalls(TOOLS)
    (first,) = step.chunk(chunk({"content": text}))
    assert first["choices"][0]["delta"]["content"] == text


def test_calls_that_the_engine_made_itself_pass() -> None:
    step = WrittenCalls(TOOLS)
    call = {"index": 0, "id": "c", "function": {"name": "add", "arguments": ""}}
    (one,) = step.chunk(chunk({"tool_calls": [call]}))
    assert one["choices"][0]["delta"]["tool_calls"] == [call]


def test_text_before_a_call_of_the_engine_is_not_lost() -> None:
    step = WrittenCalls(TOOLS)
    call = {"index": 0, "id": "c", "function": {"name": "add", "arguments": ""}}
    sent = [chunk({"content": "{"}), chunk({"tool_calls": [call]})]
    deltas = [c["choices"][0]["delta"] for theirs in sent for c in step.chunk(theirs)]
    assert "".join(delta.get("content") or "" for delta in deltas) == "{"


def test_choices_are_held_back_each_for_itself() -> None:
    step = WrittenCalls(TOOLS)
    both = chunk({"content": "{"})
    both["choices"].append({**both["choices"][0], "index": 1, "delta": {"content": "Hi"}})
    (one,) = step.chunk(both)
    assert [choice["index"] for choice in one["choices"]] == [1]


def test_model_without_tools_in_its_template_is_told_about_them_in_the_system_message() -> None:
    told = described([{"role": "user", "content": "hi"}], TOOLS)
    assert [message["role"] for message in told] == ["system", "user"]
    assert '{"name":"weather"}' in told[0]["content"]
    own = described([{"role": "system", "content": "Be brief."}], TOOLS)
    assert len(own) == 1
    assert own[0]["content"].startswith("Be brief.")
    assert "<tool_call>" in own[0]["content"]


def test_calls_and_results_of_earlier_turns_become_text() -> None:
    call = {"id": "c", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    turns = [
        {"role": "assistant", "content": "Let me see.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "18 degrees"},
    ]
    assistant, result = described(turns, [])
    assert assistant["content"].startswith("Let me see.\n<tool_call>")
    written = assistant["content"].split("<tool_call>")[1].split("</tool_call>")[0]
    assert json.loads(written) == {"name": "weather", "arguments": {"city": "Oslo"}}
    assert result["role"] == "user"
    assert "18 degrees" in result["content"]
