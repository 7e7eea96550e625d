"""Legacy completions."""

from itertools import pairwise

import pytest
from openai import AsyncOpenAI, OpenAI

MODEL = "gpt-3.5-turbo-instruct"


@pytest.mark.operation("completions.create")
def test_answer(client: OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt="Once upon a", max_tokens=5)
    assert answer.id.startswith("cmpl-")
    assert answer.object == "text_completion"
    assert answer.model == MODEL
    (choice,) = answer.choices
    assert choice.text
    assert choice.logprobs is None
    assert choice.finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 5


def test_sixteen_tokens_by_default(client: OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt="1, 2, 3, 4, 5, 6, 7,", temperature=0)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 16


async def test_async(async_client: AsyncOpenAI) -> None:
    answer = await async_client.completions.create(model=MODEL, prompt="The sky", max_tokens=3)
    assert answer.choices[0].text


def test_prompts_and_n(client: OpenAI) -> None:
    """The first `n` choices belong to the first prompt."""
    prompts = ["1, 2, 3, 4,", "a, b, c, d,"]
    answer = client.completions.create(
        model=MODEL, prompt=prompts, n=2, max_tokens=4, echo=True, temperature=0
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert [choice.text[:11] for choice in answer.choices] == [p for p in prompts for _ in range(2)]
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 16


def test_tokens(client: OpenAI) -> None:
    """One prompt as tokens, and several; `echo` shows the text they stand for."""
    one = client.completions.create(model=MODEL, prompt=[49, 50, 51], max_tokens=1, echo=True)
    two = client.completions.create(
        model=MODEL, prompt=[[49, 50, 51], [52, 53]], max_tokens=1, echo=True, temperature=0
    )
    assert len(one.choices) == 1 and len(two.choices) == 2
    assert one.choices[0].text[:3] == two.choices[0].text[:3]
    assert two.choices[1].text[:2] != two.choices[0].text[:2]
    assert one.usage is not None
    assert one.usage.prompt_tokens in (3, 4)


@pytest.mark.parametrize("top", [0, 2])
def test_logprobs(client: OpenAI, top: int) -> None:
    answer = client.completions.create(
        model=MODEL, prompt="Once upon a", max_tokens=4, logprobs=top, temperature=0
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    tokens = logprobs.tokens or []
    assert "".join(tokens) == answer.choices[0].text
    assert len(logprobs.token_logprobs or []) == len(logprobs.text_offset or []) == len(tokens) == 4
    assert all(value <= 0 for value in logprobs.token_logprobs or [])
    offsets = logprobs.text_offset or []
    lengths = [len(token) for token in tokens]
    assert [b - a for a, b in pairwise(offsets)] == lengths[:-1]
    for token, alternatives in zip(tokens, logprobs.top_logprobs or [], strict=True):
        # The vendor adds the chosen token where it is not among the best: then there is one more.
        assert token in alternatives or top == 0
        assert len(alternatives) <= top + 1


def test_stop(client: OpenAI) -> None:
    answer = client.completions.create(
        model=MODEL, prompt="1, 2, 3, 4, 5, 6,", stop=["9"], max_tokens=40, temperature=0
    )
    assert answer.choices[0].finish_reason == "stop"
    assert "9" not in answer.choices[0].text


@pytest.mark.operation("completions.create")
def test_stream(lenient_client: OpenAI) -> None:
    *chunks, last = lenient_client.completions.create(
        model=MODEL,
        prompt="1, 2, 3, 4,",
        max_tokens=6,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    whole = lenient_client.completions.create(
        model=MODEL, prompt="1, 2, 3, 4,", max_tokens=6, temperature=0
    )
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert all(chunk.usage is None for chunk in chunks)
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["length"]
    assert last.choices == []
    assert last.usage is not None and whole.usage is not None
    assert last.usage.completion_tokens == 6
    assert last.usage.prompt_tokens == whole.usage.prompt_tokens
    assert len({(chunk.id, chunk.created) for chunk in (*chunks, last)}) == 1


def test_stream_of_several(lenient_client: OpenAI) -> None:
    chunks = list(
        lenient_client.completions.create(
            model=MODEL, prompt=["Once", "The"], n=2, max_tokens=3, stream=True
        )
    )
    for index in range(4):
        own = [c for chunk in chunks for c in chunk.choices if c.index == index]
        assert "".join(choice.text for choice in own)
        assert own[-1].finish_reason == "length"
