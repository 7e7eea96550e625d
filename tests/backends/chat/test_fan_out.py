import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from backends.chat.events import payloads
from backends.chat.fan_out import FanOut
from backends.chat.specification import Json
from backends.errors import EngineFailed, Overloaded
from tests.fakes.fake_openai_engine import chunk, event


def requests_of(fields: Json) -> list[Json]:
    seen: list[Json] = []

    async def ask(request: Json) -> Json:
        seen.append(request)
        return {"choices": []}

    asyncio.run(FanOut(fields).whole(ask))
    return seen


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [{"n": 1}]),
        ({"n": None}, [{"n": 1}]),
        ({"n": 2}, [{"n": 1}, {"n": 1}]),
        ({"n": 2, "seed": 7}, [{"n": 1, "seed": 7}, {"n": 1, "seed": 8}]),
        ({"prompt": "a"}, [{"n": 1, "prompt": "a"}]),
        ({"prompt": [5, 6]}, [{"n": 1, "prompt": [5, 6]}]),
        ({"prompt": ["a", "b"]}, [{"n": 1, "prompt": "a"}, {"n": 1, "prompt": "b"}]),
        ({"prompt": [[5], [6]]}, [{"n": 1, "prompt": [5]}, {"n": 1, "prompt": [6]}]),
    ],
)
def test_one_request_per_choice(fields: Json, expected: list[Json]) -> None:
    assert len(FanOut(fields)) == len(expected)
    assert requests_of(fields) == expected


async def test_whole_answers_are_joined_in_the_vendors_order() -> None:
    async def ask(request: Json) -> Json:
        await asyncio.sleep(0.02 if request["prompt"] == "a" else 0)
        usage = {"prompt_tokens": 10, "completion_tokens": request["seed"]}
        details = {"prompt_tokens_details": {"cached_tokens": 4}}
        text = f"{request['prompt']}{request['seed']}"
        return {"id": text, "choices": [{"index": 0, "text": text}], "usage": usage | details}

    answer = await FanOut({"prompt": ["a", "b"], "n": 2, "seed": 1}).whole(ask)
    texts = [(choice["index"], choice["text"]) for choice in answer["choices"]]
    assert texts == [(0, "a1"), (1, "a2"), (2, "b1"), (3, "b2")]
    assert answer["usage"] == {
        "prompt_tokens": 20,  # each prompt once, however many choices it has
        "completion_tokens": 6,
        "prompt_tokens_details": {"cached_tokens": 8},
    }


async def test_first_failure_ends_the_other_requests() -> None:
    stopped = asyncio.Event()

    async def ask(request: Json) -> Json:
        if request["seed"] == 2:
            raise Overloaded("busy")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.set()
            raise
        return {}

    with pytest.raises(Overloaded):
        await FanOut({"n": 2, "seed": 1}).whole(ask)
    await asyncio.wait_for(stopped.wait(), 5)


async def collected(fan_out: FanOut, open_stream: Any) -> list[Json]:
    async with asyncio.timeout(3):
        out = b"".join([item async for item in fan_out.streamed(open_stream)])
    assert out.endswith(b"data: [DONE]\n\n")
    return [json.loads(data) for data in payloads(out)[:-1]]


async def test_streams_are_interleaved_under_indices_of_their_own_with_one_usage() -> None:
    async def open_stream(request: Json) -> AsyncIterator[bytes]:
        for text in ("x", "y"):
            await asyncio.sleep(0)
            yield event(chunk({"content": f"{text}{request['seed']}"}))
        yield event(chunk({}, "stop")) + event(
            chunk(usage={"prompt_tokens": 5, "completion_tokens": 2})
        )
        yield b"data: [DONE]\n\n"

    *chunks, last = await collected(FanOut({"n": 3, "seed": 1}), open_stream)
    texts = {0: "", 1: "", 2: ""}
    for one in chunks:
        (choice,) = one["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
        assert "usage" not in one
    assert texts == {0: "x1y1", 1: "x2y2", 2: "x3y3"}
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == 5
    assert last["usage"]["completion_tokens"] == 6


@pytest.mark.parametrize("failure", [EngineFailed("gone"), RuntimeError("a bug")])
async def test_failure_in_one_stream_ends_all_and_is_raised(failure: Exception) -> None:
    closed: list[int] = []

    async def open_stream(request: Json) -> AsyncIterator[bytes]:
        try:
            yield event(chunk({"content": "x"}))
            if request["seed"] == 2:
                raise failure
            await asyncio.sleep(60)
        finally:
            closed.append(request["seed"])

    with pytest.raises(type(failure)):
        await collected(FanOut({"n": 3, "seed": 1}), open_stream)
    assert sorted(closed) == [1, 2, 3]


async def test_caller_who_leaves_ends_every_stream() -> None:
    closed: list[int] = []

    async def open_stream(request: Json) -> AsyncIterator[bytes]:
        try:
            yield event(chunk({"content": "x"}))
            await asyncio.sleep(60)
        finally:
            closed.append(request["seed"])

    events = FanOut({"n": 2, "seed": 1}).streamed(open_stream)
    await anext(events)
    await anext(events)
    await events.aclose()  # type: ignore[attr-defined]
    assert sorted(closed) == [1, 2]
