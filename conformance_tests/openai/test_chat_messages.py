"""What a conversation may consist of: roles, parts, earlier turns."""

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

MODEL = "gpt-4o-mini"


def prompt_tokens(client: OpenAI, *messages: ChatCompletionMessageParam) -> int:
    answer = client.chat.completions.create(model=MODEL, messages=messages, max_tokens=1)
    assert answer.usage is not None
    return answer.usage.prompt_tokens


def test_developer_is_read_as_system(client: OpenAI) -> None:
    text = "Always answer in French, whatever the language of the question."
    question: ChatCompletionMessageParam = {"role": "user", "content": "Hi"}
    system = prompt_tokens(client, {"role": "system", "content": text}, question)
    assert prompt_tokens(client, {"role": "developer", "content": text}, question) == system


def test_text_parts_are_read_as_one_text(client: OpenAI) -> None:
    whole = prompt_tokens(client, {"role": "user", "content": "one two three four"})
    parts: list[ChatCompletionMessageParam] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "one two "},
                {"type": "text", "text": "three four"},
            ],
        }
    ]
    assert prompt_tokens(client, *parts) == whole


def test_text_parts_in_every_role(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}], "name": "ann"},
            {"role": "assistant", "content": [{"type": "text", "text": "Hello!"}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "user", "content": "Why?"},
        ],
        max_tokens=4,
    )
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason in ("stop", "length")


@pytest.mark.parametrize("text", ["", "日本語 \U0001f600", '"\\\n\t', "a" * 3000, "<|im_end|>"])
def test_any_text(client: OpenAI, text: str) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": text}], max_tokens=2
    )
    assert answer.choices[0].message.content is not None


def test_earlier_turns_count(client: OpenAI) -> None:
    turn: ChatCompletionMessageParam = {"role": "user", "content": "My name is Ann."}
    reply: ChatCompletionMessageParam = {"role": "assistant", "content": "Hello Ann."}
    assert prompt_tokens(client, turn, reply, turn) > prompt_tokens(client, turn) * 1.5


def test_fields_that_mean_nothing_here_are_ignored(client: OpenAI) -> None:
    """Callers send these by habit; none of them may turn into an error."""
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=2,
        user="someone",
        metadata={"a": "b"},
        service_tier="auto",
        safety_identifier="x",
        prompt_cache_key="y",
        reasoning_effort="low",
        verbosity="low",
        extra_body={"from_the_future": {"a": [1]}},
    )
    assert answer.choices[0].message.role == "assistant"
