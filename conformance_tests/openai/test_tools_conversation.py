"""Tools as part of a conversation: offered but not demanded, and their results given back."""

from typing import cast

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam

from conformance_tests.openai.offered_tools import only_call

MODEL = "gpt-4o-mini"
WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
ASK: ChatCompletionMessageParam = {"role": "user", "content": "What is the weather in Paris?"}


def test_round_trip(client: OpenAI) -> None:
    """Our own call goes back as it came, along with its result."""
    first = client.chat.completions.create(
        model=MODEL, messages=[ASK], tools=[WEATHER], tool_choice="required", max_tokens=100
    )
    message = first.choices[0].message
    call = only_call(message)
    said = cast("ChatCompletionMessageParam", message.model_dump(exclude_none=True))
    second = client.chat.completions.create(
        model=MODEL,
        messages=[
            ASK,
            said,
            {"role": "tool", "tool_call_id": call.id, "content": "18 degrees, sunny"},
        ],
        tools=[WEATHER],
        tool_choice="none",
        max_tokens=40,
    )
    assert second.choices[0].message.tool_calls is None
    assert second.choices[0].message.content
    assert second.usage is not None and first.usage is not None
    assert second.usage.prompt_tokens > first.usage.prompt_tokens / 2


def test_result_is_read(client: OpenAI) -> None:
    """A longer result makes a longer prompt; content may come in parts and the call without any."""

    def tokens(result: str) -> int:
        answer = client.chat.completions.create(
            model=MODEL,
            messages=[
                ASK,
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city":"Paris"}'},
                        }
                    ],
                },
                {
                    "role": "tool",
                    "tool_call_id": "call_1",
                    "content": [{"type": "text", "text": result}],
                },
            ],
            max_tokens=1,
        )
        assert answer.usage is not None
        return answer.usage.prompt_tokens

    assert tokens("sunny and warm, with some wind from the west") > tokens("sunny") + 5


def test_none_calls_nothing(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=[ASK], tools=[WEATHER], tool_choice="none", max_tokens=20
    )
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].finish_reason in ("stop", "length")


@pytest.mark.parametrize("stream", [False, True])
def test_auto_is_either_text_or_calls(client: OpenAI, stream: bool) -> None:
    if stream:
        chunks = list(
            client.chat.completions.create(
                model=MODEL, messages=[ASK], tools=[WEATHER], max_tokens=60, stream=True
            )
        )
        deltas = [chunk.choices[0].delta for chunk in chunks]
        text = "".join(delta.content or "" for delta in deltas)
        called = any(delta.tool_calls for delta in deltas)
        reason = chunks[-1].choices[0].finish_reason
        idle = [
            chunk
            for chunk in chunks[1:-1]
            if not chunk.choices[0].delta.content and not chunk.choices[0].delta.tool_calls
        ]
        assert not idle, "chunks that say nothing"
    else:
        choice = client.chat.completions.create(
            model=MODEL, messages=[ASK], tools=[WEATHER], max_tokens=60
        ).choices[0]
        text, called, reason = (
            choice.message.content or "",
            bool(choice.message.tool_calls),
            choice.finish_reason,
        )
    assert called != bool(text.strip())
    assert (reason == "tool_calls") == called
