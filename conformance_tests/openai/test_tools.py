"""Tool calls. Demanded ones are held to their schema by grammar, so they are always valid."""

import json
from typing import Any, Literal

import pytest
from openai import OpenAI, pydantic_function_tool
from openai.types.chat import (
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
    ChatCompletionToolChoiceOptionParam,
)
from pydantic import BaseModel, ConfigDict, Field

MODEL = "gpt-4o-mini"
ASK: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "What is the weather in Paris, in celsius?"}
]


class Weather(BaseModel):
    """The weather at a place."""

    model_config = ConfigDict(extra="forbid", strict=True)
    city: str = Field(max_length=12)
    unit: Literal["celsius", "fahrenheit"]


class Point(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    x: int = Field(ge=0, le=99)
    y: int = Field(ge=0, le=99)


class Draw(BaseModel):
    """Draws a line. Its schema has `$defs` and `$ref`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    start: Point
    end: Point


ARGUMENTS: dict[str, type[BaseModel]] = {"weather": Weather, "draw": Draw}


def tool(name: str) -> ChatCompletionFunctionToolParam:
    model = ARGUMENTS[name]
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": model.__doc__ or "",
            "parameters": model.model_json_schema(),
        },
    }


BOTH = [tool("weather"), tool("draw")]
NAMED: dict[str, Any] = {"type": "function", "function": {"name": "draw"}}
CASES = [
    pytest.param([tool("weather")], "required", id="required-of-one"),
    pytest.param(BOTH, "required", id="required-of-two"),
    pytest.param(BOTH, NAMED, id="named"),
]


@pytest.mark.operation("chat.completions.create")
@pytest.mark.parametrize("temperature", [0, 1.5])
@pytest.mark.parametrize(("tools", "choice"), CASES)
def test_demanded(
    client: OpenAI,
    tools: list[ChatCompletionFunctionToolParam],
    choice: ChatCompletionToolChoiceOptionParam,
    temperature: float,
) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        tools=tools,
        tool_choice=choice,
        temperature=temperature,
        seed=3,
        max_tokens=200,
    )
    message = answer.choices[0].message
    assert message.content is None
    assert message.tool_calls
    for call in message.tool_calls:
        assert call.type == "function"
        assert call.id
        assert call.function.name in {each["function"]["name"] for each in tools}
        assert ARGUMENTS[call.function.name].model_validate_json(call.function.arguments)
    named = choice == NAMED
    assert answer.choices[0].finish_reason == ("stop" if named else "tool_calls")
    assert not named or [c.function.name for c in message.tool_calls if c.type == "function"] == [
        "draw"
    ]


@pytest.mark.parametrize(("tools", "choice"), CASES)
def test_demanded_streamed(
    client: OpenAI,
    tools: list[ChatCompletionFunctionToolParam],
    choice: ChatCompletionToolChoiceOptionParam,
) -> None:
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=ASK,
            tools=tools,
            tool_choice=choice,
            temperature=0.8,
            max_tokens=200,
            stream=True,
        )
    )
    first, *pieces = [d for c in chunks for d in c.choices[0].delta.tool_calls or () if d.function]
    assert first.id and first.type == "function" and first.function and first.function.name
    assert all(p.id is None and p.type is None and p.function.name is None for p in pieces)  # type: ignore[union-attr]
    assert {piece.index for piece in (first, *pieces)} == {0}
    arguments = "".join(p.function.arguments or "" for p in (first, *pieces) if p.function)
    assert ARGUMENTS[first.function.name].model_validate_json(arguments)
    assert len(pieces) > 2, "arguments come as they are written"
    assert not any(chunk.choices[0].delta.content for chunk in chunks)
    assert chunks[0].choices[0].delta.role == "assistant"
    ended = chunks[-1].choices[0].finish_reason
    assert ended == ("stop" if choice == NAMED else "tool_calls")


def test_accumulator(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL, messages=ASK, tools=BOTH, tool_choice="required", max_tokens=200
    ) as stream:
        done = [e for e in stream if e.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or ()
    assert call.type == "function"
    assert [event.arguments for event in done] == [call.function.arguments]
    assert ARGUMENTS[call.function.name].model_validate_json(call.function.arguments)


def test_parse(client: OpenAI) -> None:
    """The SDK's own tools: strict schemas from pydantic models."""
    answer = client.chat.completions.parse(
        model=MODEL,
        messages=ASK,
        tools=[pydantic_function_tool(Weather), pydantic_function_tool(Draw)],
        tool_choice={"type": "function", "function": {"name": "Draw"}},
    )
    (call,) = answer.choices[0].message.tool_calls or ()
    assert isinstance(call.function.parsed_arguments, Draw)


def test_no_parameters(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "What time is it?"}],
        tools=[{"type": "function", "function": {"name": "now"}}],
        tool_choice="required",
    )
    (call,) = answer.choices[0].message.tool_calls or ()
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("now", {})


def test_n_calls(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=ASK, tools=BOTH, tool_choice="required", n=2, temperature=1
    )
    ids = set()
    for choice in answer.choices:
        (call,) = choice.message.tool_calls or ()
        assert call.type == "function"
        assert ARGUMENTS[call.function.name].model_validate_json(call.function.arguments)
        ids.add(call.id)
    assert len(ids) == 2
