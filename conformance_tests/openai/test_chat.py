"""Chat completions, whole answers."""

import math

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam

MODEL = "gpt-4o-mini"
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello."}]
COUNT: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "Write the numbers from 1 to 50, separated by commas."}
]


@pytest.mark.operation("chat.completions.create")
def test_answer(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_completion_tokens=16)
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    (choice,) = answer.choices
    assert choice.index == 0
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.message.refusal is None
    assert choice.message.tool_calls is None
    assert choice.finish_reason in ("stop", "length")
    assert answer._request_id


def test_usage(client: OpenAI) -> None:
    usage = client.chat.completions.create(model=MODEL, messages=COUNT, max_tokens=7).usage
    assert usage is not None
    assert usage.prompt_tokens > 10
    assert usage.completion_tokens == 7
    assert usage.total_tokens == usage.prompt_tokens + 7
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens is not None
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 0


async def test_async(async_client: AsyncOpenAI) -> None:
    answer = await async_client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=8)
    assert answer.choices[0].message.content


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_limit(client: OpenAI, limit: str) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=COUNT,
        **{limit: 3},  # type: ignore[call-overload]
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3


@pytest.mark.parametrize("number", [2, 10])
def test_n(client: OpenAI, number: int) -> None:
    """Ten is more than the engine answers at once."""
    answer = client.chat.completions.create(
        model=MODEL, messages=COUNT, n=number, max_tokens=3, temperature=1.5
    )
    assert [choice.index for choice in answer.choices] == list(range(number))
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3 * number
    one = client.chat.completions.create(model=MODEL, messages=COUNT, max_tokens=1)
    assert one.usage is not None
    assert answer.usage.prompt_tokens == one.usage.prompt_tokens


@pytest.mark.parametrize("stop", ["5", ["nothing like this", "5"]])
def test_stop(client: OpenAI, stop: str | list[str]) -> None:
    """Models count upwards; the first five ends it and is not part of the text."""
    answer = client.chat.completions.create(
        model=MODEL, messages=COUNT, stop=stop, max_tokens=60, temperature=0
    )
    assert answer.choices[0].finish_reason == "stop"
    assert "5" not in (answer.choices[0].message.content or "")


def test_seed(client: OpenAI) -> None:
    def text(seed: int, temperature: float) -> str:
        answer = client.chat.completions.create(
            model=MODEL, messages=HELLO, seed=seed, temperature=temperature, max_tokens=12
        )
        return answer.choices[0].message.content or ""

    assert text(7, 0) == text(7, 0)
    assert len({text(seed, 2) for seed in range(5)}) > 1


@pytest.mark.parametrize("top", [0, 3])
def test_logprobs(client: OpenAI, top: int) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=HELLO, logprobs=True, top_logprobs=top, max_tokens=4, temperature=0
    )
    choice = answer.choices[0]
    assert choice.logprobs is not None
    tokens = choice.logprobs.content or []
    assert len(tokens) >= 1
    assert "".join(token.token for token in tokens).startswith(choice.message.content or "")
    for token in tokens:
        assert token.logprob <= 0
        assert bytes(token.bytes or []).decode(errors="replace") == token.token
        assert len(token.top_logprobs) == top
        if top:
            assert max(t.logprob for t in token.top_logprobs) == pytest.approx(token.logprob)
            assert sum(math.exp(t.logprob) for t in token.top_logprobs) <= 1.01


def test_no_logprobs_unless_asked(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=2)
    assert answer.choices[0].logprobs is None


def test_logit_bias(client: OpenAI) -> None:
    """With one token favoured that much, nothing else is left to say."""
    answer = client.chat.completions.create(
        model=MODEL, messages=HELLO, logit_bias={"49": 100}, max_tokens=4, temperature=0
    )
    assert len(set(answer.choices[0].message.content or "")) == 1
