"""Chat completions, streamed: by the SDK's iterator and by its accumulator."""

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

MODEL = "gpt-4o-mini"
COUNT: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "Write the numbers from 1 to 50, separated by commas."}
]


def text(chunks: list[ChatCompletionChunk], index: int = 0) -> str:
    choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
    return "".join(choice.delta.content or "" for choice in choices)


@pytest.mark.operation("chat.completions.create")
def test_same_as_whole(client: OpenAI) -> None:
    whole = client.chat.completions.create(
        model=MODEL, messages=COUNT, max_tokens=12, temperature=0, seed=1
    )
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=COUNT, max_tokens=12, temperature=0, seed=1, stream=True
        )
    )
    assert text(chunks) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices[0].finish_reason] == ["length"]
    assert chunks[-1].choices[0].finish_reason == "length"
    assert all(chunk.usage is None for chunk in chunks)
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert chunks[0].model == MODEL


async def test_async(async_client: AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(
        model=MODEL, messages=COUNT, max_tokens=5, stream=True
    )
    assert text([chunk async for chunk in stream])


def test_usage_comes_last(client: OpenAI) -> None:
    *chunks, last = client.chat.completions.create(
        model=MODEL,
        messages=COUNT,
        max_tokens=5,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 5
    assert last.usage.total_tokens == last.usage.prompt_tokens + 5


def test_choices_begin_in_their_order(client: OpenAI) -> None:
    """The SDK's accumulator fails on any other order."""
    chunks = list(
        client.chat.completions.create(model=MODEL, messages=COUNT, n=4, max_tokens=3, stream=True)
    )
    began = [c.choices[0].index for c in chunks if c.choices[0].delta.role]
    assert began == [0, 1, 2, 3]
    assert [c.choices[0].index for c in chunks[:4]] == began


def test_n(client: OpenAI) -> None:
    *chunks, last = client.chat.completions.create(
        model=MODEL,
        messages=COUNT,
        n=3,
        max_tokens=4,
        stream=True,
        stream_options={"include_usage": True},
    )
    for index in range(3):
        own = [c for chunk in chunks for c in chunk.choices if c.index == index]
        assert own[0].delta.role == "assistant"
        assert own[-1].finish_reason == "length"
        assert text(chunks, index)
    assert last.usage is not None
    assert last.usage.completion_tokens == 12


def test_stop(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=COUNT, stop=["5"], max_tokens=60, temperature=0, stream=True
        )
    )
    assert "5" not in text(chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_logprobs(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=COUNT, logprobs=True, top_logprobs=2, max_tokens=4, stream=True
        )
    )
    tokens = [
        token
        for chunk in chunks
        for token in (chunk.choices[0].logprobs and chunk.choices[0].logprobs.content) or []
    ]
    assert "".join(token.token for token in tokens) == text(chunks)
    assert all(len(token.top_logprobs) == 2 for token in tokens)


def test_accumulator(client: OpenAI) -> None:
    """It refuses answers that were cut off, so this one has to end by itself."""
    with client.chat.completions.stream(
        model=MODEL,
        messages=COUNT,
        stop="5",
        temperature=0,
        stream_options={"include_usage": True},
    ) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    said = "".join(event.delta for event in events if event.type == "content.delta")
    assert said == final.choices[0].message.content
    assert final.choices[0].finish_reason == "stop"
    assert final.usage is not None
    assert final.usage.completion_tokens > 1
    assert [event.type for event in events].count("content.done") == 1
