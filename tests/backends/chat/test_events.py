import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from backends.capabilities import ChatRequest
from backends.chat.events import EventRelay, frames, payloads
from backends.chat.specification import Conformer
from backends.errors import EngineFailed
from tests.fakes.fake_openai_engine import chunk, event, text_stream

DONE = b"data: [DONE]\n\n"


async def sent(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def relayed(pieces: Iterable[bytes], **fields: Any) -> bytes:
    request = ChatRequest("chat/completions", "asked-for", {"stream": True, **fields})
    out = b""
    async for events in EventRelay(Conformer(request)).relay(sent(pieces)):
        assert events.endswith(b"\n\n"), "an item holds complete events only"
        out += events
    return out


def chunks_of(stream: bytes) -> list[Any]:
    return [json.loads(data) for data in payloads(stream) if data != b"[DONE]"]


def text_of(stream: bytes) -> str:
    return "".join(
        choice["delta"].get("content") or ""
        for one in chunks_of(stream)
        for choice in one["choices"]
    )


async def test_plain_stream_keeps_its_text_and_takes_our_model_name() -> None:
    out = await relayed(text_stream("Hello", " world"))
    chunks = chunks_of(out)
    assert text_of(out) == "Hello world"
    assert {c["model"] for c in chunks} == {"asked-for"}
    assert {c["id"] for c in chunks} == {"chatcmpl-1"}
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert out.endswith(DONE)
    assert out.count(DONE) == 1


async def test_timings_of_llama_cpp_in_a_text_event_do_not_get_through() -> None:
    pieces = list(text_stream("Hello", " world"))
    pieces[1:1] = [
        piece.replace(b'{"', b'{"timings":{"predicted_n":1},"', 1) for piece in pieces[1:2]
    ]
    out = await relayed(pieces)
    assert b"timings" not in out
    assert text_of(out) == "HelloHello world"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100_000])
@pytest.mark.parametrize("crlf", [False, True])
async def test_stream_cut_anywhere_is_the_same_stream(size: int, crlf: bool) -> None:
    whole = b"".join(text_stream("Grüße ", "aus ", "\U0001f30d", "data: x\n\n"))
    expected = await relayed([whole])
    if crlf:
        whole = whole.replace(b"\n", b"\r\n")
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    out = await relayed(pieces)
    assert chunks_of(out) == chunks_of(expected)
    assert text_of(out) == "Grüße aus \U0001f30ddata: x\n\n"


@pytest.mark.parametrize(
    "respell",
    [
        lambda stream: stream.replace(b"data: ", b"data:"),
        lambda stream: stream.replace(b'":', b'" : ').replace(b",", b", "),
        lambda stream: b": keep-alive\n\n" + stream.replace(b"\n\n", b"\n\n: ping\n\n"),
        lambda stream: b"id: 1\nretry: 5\n" + stream,
        lambda stream: stream.replace(b"data: ", b"event: message\ndata: "),
    ],
    ids=["no space after data", "spaces in JSON", "comments", "other fields", "event names"],
)
async def test_other_spellings_of_the_same_stream(respell: Any) -> None:
    stream = b"".join(text_stream("one", "two", "three"))
    assert chunks_of(await relayed([respell(stream)])) == chunks_of(await relayed([stream]))


async def test_id_and_time_that_change_on_the_way_do_not_change_for_the_caller() -> None:
    pieces = [
        event({**chunk({"content": text}), "id": f"gen-{number}", "created": number + 1})
        for number, text in enumerate(["a", "b", "c"])
    ]
    out = await relayed([*pieces, event(chunk({}, "stop")), DONE])
    assert len({(c["id"], c["created"]) for c in chunks_of(out)}) == 1
    assert text_of(out) == "abc"


async def test_text_that_looks_like_a_models_name_is_left_alone() -> None:
    text = 'the "model":"upstream" of "finish_reason":null'
    assert text_of(await relayed(text_stream("first", text, "last"))) == f"first{text}last"


async def test_engine_fields_go_from_the_first_event() -> None:
    stream = text_stream("x")
    stream[0] = event(chunk({"role": "assistant", "content": ""}, prompt_token_ids=[1, 2]))
    assert b"prompt_token_ids" not in await relayed(stream)


async def test_usage_that_was_not_asked_for_is_left_out() -> None:
    out = await relayed(text_stream("x", usage=True))
    assert all(c["choices"] for c in chunks_of(out))
    out = await relayed(text_stream("x", usage=True), stream_options={"include_usage": True})
    assert chunks_of(out)[-1]["choices"] == []
    assert chunks_of(out)[-1]["usage"]["prompt_tokens"] == 5


async def test_finished_stream_without_done_gets_one() -> None:
    assert (await relayed(text_stream("x")[:-1])).endswith(DONE)


async def test_nothing_after_done_is_passed_on() -> None:
    out = await relayed([*text_stream("x"), event(chunk({"content": "more"}))])
    assert text_of(out) == "x"


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [DONE],
        text_stream("x", "y")[:2],
        [*text_stream("x")[:2], b'data: {"id": "chatc'],
        [b'{"error": {"message": "not a stream at all"}}'],
    ],
    ids=["nothing", "only DONE", "no finish reason", "half an event", "JSON instead"],
)
async def test_answer_that_is_none_is_a_failure(pieces: list[bytes]) -> None:
    with pytest.raises(EngineFailed):
        await relayed(pieces)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (event({"error": {"message": "out of memory", "code": 500}}), "out of memory"),
        (event({"error": "out of memory", "error_type": "x"}), "out of memory"),
        (event({"object": "error", "message": "out of memory", "code": 500}), "out of memory"),
        (b"event: error\n" + event({"error": {"message": "out of memory"}}), "out of memory"),
        (b"data: half a{}\n\n", "not JSON"),
        (b"data: [1]\n\n", "not an object"),
    ],
    ids=["OpenAI, llama.cpp", "TGI", "older vLLM", "named event", "no JSON", "no object"],
)
async def test_error_event_in_mid_stream_is_a_failure(failure: bytes, said: str) -> None:
    begun = text_stream("x")[:2]
    with pytest.raises(EngineFailed, match=said):
        await relayed([*begun, failure, DONE])


async def test_every_choice_has_to_finish() -> None:
    second = chunk({"content": "b"})
    second["choices"][0]["index"] = 1
    with pytest.raises(EngineFailed):
        await relayed([event(second), *text_stream("a")[:-1]], n=2)


async def test_frames_are_cut_at_the_ends_of_events() -> None:
    pieces = [b"data: 1\n", b"\ndata: 2\n\nda", b"ta: 3\n\n", b"data: 4"]
    got = [item async for item in frames(sent(pieces))]
    assert got == [b"data: 1\n\ndata: 2\n\n", b"data: 3\n\n"]


def test_data_over_several_lines_is_one_payload() -> None:
    assert payloads(b": c\n\ndata: {\ndata:}\n\nevent: x\n\n") == [b"{\n}"]
