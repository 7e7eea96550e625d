"""Tool calls. Demanded ones are held to their schema by grammar, so they are always valid."""

import json

import pytest
from openai import OpenAI, pydantic_function_tool
from openai.types.chat import (
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
    ChatCompletionToolChoiceOptionParam,
)

from conformance_tests.openai.offered_tools import (
    BOTH,
    NAMED,
    Draw,
    Weather,
    conforms,
    only_call,
    tool,
)

MODEL = "gpt-4o-mini"
ASK: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "What is the weather in Paris, in celsius?"}
]
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
    said = answer.choices[0]
    call = only_call(said.message)
    assert said.message.content is None
    assert call.function.name in {each["function"]["name"] for each in tools}
    assert conforms(call.function.name, call.function.arguments)
    if choice == NAMED:
        assert call.function.name == "draw"
    assert said.finish_reason == ("stop" if choice == NAMED else "tool_calls")


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
    first, *pieces = [call for c in chunks for call in c.choices[0].delta.tool_calls or ()]
    assert first.id and first.type == "function" and first.function and first.function.name
    arguments = first.function.arguments or ""
    for piece in pieces:
        assert piece.index == first.index == 0
        assert piece.id is None and piece.type is None
        assert piece.function is not None and piece.function.name is None
        arguments += piece.function.arguments or ""
    assert conforms(first.function.name, arguments)
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
    call = only_call(final.choices[0].message)
    assert [event.arguments for event in done] == [call.function.arguments]
    assert conforms(call.function.name, call.function.arguments)


def test_parse(client: OpenAI) -> None:
    """The SDK's own tools: strict schemas from pydantic models."""
    answer = client.chat.completions.parse(
        model=MODEL,
        messages=ASK,
        tools=[pydantic_function_tool(Weather), pydantic_function_tool(Draw)],
        tool_choice={"type": "function", "function": {"name": "Draw"}},
    )
    called = [call.function.parsed_arguments for call in answer.choices[0].message.tool_calls or ()]
    assert [type(arguments) for arguments in called] == [Draw]


def test_no_parameters(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "What time is it?"}],
        tools=[{"type": "function", "function": {"name": "now"}}],
        tool_choice="required",
    )
    call = only_call(answer.choices[0].message)
    assert (call.function.name, json.loads(call.function.arguments)) == ("now", {})


def test_n_calls(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=ASK, tools=BOTH, tool_choice="required", n=2, temperature=1
    )
    calls = [only_call(choice.message) for choice in answer.choices]
    assert all(conforms(call.function.name, call.function.arguments) for call in calls)
    assert len({call.id for call in calls}) == 2
