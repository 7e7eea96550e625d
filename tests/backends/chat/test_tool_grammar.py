import json
from typing import Any

import pytest

from backends.capabilities import ChatRequest
from backends.chat.specification import Conformer, Json
from backends.chat.tool_grammar import ForcedCall
from tests.fakes.fake_openai_engine import chunk, completion

REFERS = {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "$defs": {"N": {}}}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": REFERS}}
ADD = {"type": "function", "function": {"name": "add", "parameters": {"properties": {"a": {}}}}}
NOW = {"type": "function", "function": {"name": "now"}}


def named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def streamed(forced: ForcedCall, pieces: list[str], finish: str = "stop") -> tuple[str, str, str]:
    """Name, arguments and finish reason as a caller puts them together, each chunk checked."""
    conformer = Conformer(ChatRequest("chat/completions", "m", {}))
    sent = [*(chunk({"content": piece}) for piece in pieces), chunk({}, finish)]
    name = arguments = ended = ""
    ids = set()
    for one in [
        c for theirs in sent for step in forced.chunk(theirs) for c in conformer.chunk(step)
    ]:
        (choice,) = one["choices"]
        ended = choice["finish_reason"] or ended
        assert not choice["delta"].get("content")
        assert choice["finish_reason"] or choice["delta"].keys() - {"role", "content", "refusal"}
        for call in choice["delta"].get("tool_calls", ()):
            assert call["index"] == 0
            ids |= {call["id"]} if "id" in call else set()
            name += call["function"].get("name", "")
            arguments += call["function"]["arguments"]
    assert len(ids) == 1
    return name, arguments, ended


def test_single_function_holds_the_engine_to_its_parameters() -> None:
    made = ForcedCall([WEATHER, ADD], named("weather")).response_format()
    assert made["type"] == "json_schema"
    assert made["json_schema"]["schema"] == REFERS


def test_function_without_parameters_takes_none() -> None:
    schema = ForcedCall([NOW], "required").response_format()["json_schema"]["schema"]
    assert schema == {"type": "object", "properties": {}, "additionalProperties": False}


def test_several_functions_become_a_choice_whose_references_still_resolve() -> None:
    schema = ForcedCall([WEATHER, ADD], "required").response_format()["json_schema"]["schema"]
    assert [c["properties"]["name"]["const"] for c in schema["anyOf"]] == ["weather", "add"]
    assert schema["anyOf"][0]["required"] == ["name", "arguments"]
    reference = schema["$defs"]["arguments_0"]["properties"]["n"]["$ref"]
    found: Any = schema
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    assert found == {}
    assert schema["$defs"]["arguments_1"]["type"] == "object"


CASES = [
    ([WEATHER, ADD], named("add"), '{"a": {"b": "}"}}', ("add", {"a": {"b": "}"}})),
    ([ADD], "required", '{"a":1} ', ("add", {"a": 1})),
    (
        [WEATHER, ADD],
        "required",
        '{"name": "add", "arguments": {"a": {"b": "} }"}}}',
        ("add", {"a": {"b": "} }"}}),
    ),
    (
        [WEATHER, ADD],
        "required",
        ' {\n "name" : "weather" ,"arguments":{} }\n',
        ("weather", {}),
    ),
]


@pytest.mark.parametrize(("tools", "choice", "text", "expected"), CASES)
@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_call_comes_out_the_same_however_the_text_is_cut(
    tools: list[Json], choice: str | Json, text: str, expected: tuple[str, Json], size: int
) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    name, arguments, ended = streamed(ForcedCall(tools, choice), pieces)
    assert (name, json.loads(arguments)) == expected
    assert ended == "tool_calls"
    whole = ForcedCall(tools, choice).answer(completion(text))["choices"][0]["message"]
    assert whole["content"] is None
    function = whole["tool_calls"][0]["function"]
    assert (function["name"], json.loads(function["arguments"])) == expected


def test_arguments_stream_as_they_are_written() -> None:
    forced = ForcedCall([WEATHER, ADD], "required")
    assert forced.chunk(chunk({"content": '{"name": "ad'})) == []
    (one,) = forced.chunk(chunk({"content": 'd", "arguments": {"a": "lon'}))
    (call,) = one["choices"][0]["delta"]["tool_calls"]
    assert call["function"] == {"name": "add", "arguments": '{"a": "lon'}


def test_calls_of_several_choices_have_ids_of_their_own() -> None:
    forced = ForcedCall([ADD], "required")
    theirs = chunk({"content": "{}"})
    theirs["choices"].append({**theirs["choices"][0], "index": 1})
    (one,) = forced.chunk(theirs)
    ids = [choice["delta"]["tool_calls"][0]["id"] for choice in one["choices"]]
    assert len(set(ids)) == 2


def test_call_cut_by_the_token_limit_says_so() -> None:
    text = '{"name": "add", "arguments": {"a": "lon'
    name, arguments, ended = streamed(ForcedCall([WEATHER, ADD], "required"), [text], "length")
    assert (name, arguments, ended) == ("add", '{"a": "lon', "length")


def test_nothing_written_is_no_call() -> None:
    message = ForcedCall([ADD], "required").answer(completion(""))["choices"][0]["message"]
    assert not message.get("tool_calls")


def test_usage_passes_while_text_is_held_back() -> None:
    forced = ForcedCall([WEATHER, ADD], "required")
    usage = {"prompt_tokens": 1}
    assert forced.chunk(chunk(usage=usage))[0]["usage"] == usage


def test_schema_is_json() -> None:
    forced = ForcedCall([WEATHER, ADD, NOW], "required")
    assert json.loads(json.dumps(forced.response_format())) == forced.response_format()
