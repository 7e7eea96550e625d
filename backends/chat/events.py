"""An engine's stream of server-sent events, made conformant as it passes.

Most events of most streams are one more piece of text and need nothing but the right model name;
those pass as bytes, a whole read at a time. Everything else is decoded, mended and encoded again.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Protocol

import msgspec

from backends.chat.specification import Conformer, Json
from backends.errors import EngineFailed

DONE = b"data: [DONE]\n\n"
TEXT_DELTA = b'"delta":{"content":"'
GOES_ON = b'"finish_reason":null'
TIMINGS = b'"timings":'
"""llama.cpp's own field, which may come with any event."""

decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


class Step(Protocol):
    """Rewrites chunks before they are conformed: tool calls that came as text, for instance."""

    def chunk(self, chunk: Json) -> list[Json]: ...

    def answer(self, answer: Json) -> Json: ...


class EventRelay:
    """One stream's passage from engine to caller."""

    def __init__(self, conformer: Conformer, steps: Sequence[Step] = ()) -> None:
        self._conformer = conformer
        self._steps = steps
        self._finished: set[int] = set()
        self._seen: set[int] = set()
        self._done = False
        # What every plain event of this stream contains and what to put in its place: known once
        # the first chunk has been read, empty where no event may pass unread.
        self._swaps: list[tuple[bytes, bytes]] = []

    async def relay(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Complete events. Raises `EngineFailed` if the engine stops before it has finished."""
        async for events in frames(chunks):
            if out := self._relayed(events):
                yield out
            if self._done and self._seen:
                return
        if not self._seen or self._seen != self._finished:
            raise EngineFailed("the engine stopped in the middle of its answer")
        yield DONE

    def _relayed(self, events: bytes) -> bytes:
        """Halved until the parts are plain, or one event that has to be mended."""
        if plain := self._plain(events):
            return plain
        half = len(events) // 2
        middle = events.find(b"\n\n", half) + 2
        if middle == len(events):
            middle = events.rfind(b"\n\n", 0, half) + 2
        if middle == 1 or not self._conformer.plain_events:
            return self._mended(events)
        first = self._relayed(events[:middle])
        return first if self._done else first + self._relayed(events[middle:])

    def _plain(self, events: bytes) -> bytes | None:
        """The events with names swapped, if each is text and nothing but."""
        if not self._swaps:
            return None
        count = events.count(b"\n\n")
        if events.count(TEXT_DELTA) != count or events.count(GOES_ON) != count:
            return None
        if TIMINGS in events:
            return None
        for theirs, ours in self._swaps:
            if events.count(theirs) != count:
                return None
            if theirs != ours:
                events = events.replace(theirs, ours)
        if b'"logprobs"' not in events:
            events = events.replace(GOES_ON, b'"logprobs":null,' + GOES_ON)
        return events

    def _mended(self, events: bytes) -> bytes:
        out = bytearray()
        for data in payloads(events):
            if data == b"[DONE]":
                self._done = True
                if self._seen:
                    out += DONE
                break
            for chunk in self._conformed(decode_chunk(data)):
                out += event(chunk)
        return bytes(out)

    def _conformed(self, chunk: Json) -> list[Json]:
        theirs = {name: chunk.get(name) for name in ("id", "created", "model")}
        chunks = [chunk]
        for step in self._steps:
            chunks = [new for old in chunks for new in step.chunk(old)]
        chunks = [new for old in chunks for new in self._conformer.chunk(old)]
        for new in chunks:
            for choice in new["choices"]:
                self._seen.add(choice["index"])
                if choice["finish_reason"]:
                    self._finished.add(choice["index"])
        if not self._swaps and chunks and not self._steps and self._conformer.plain_events:
            self._swaps = [
                (pair(name, theirs[name]), pair(name, chunks[0][name])) for name in theirs
            ]
        return chunks


async def frames(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Reads cut at the ends of events: each item is one or more complete events."""
    rest = b""
    async for data in chunks:
        data = rest + data if rest else data
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        end = data.rfind(b"\n\n") + 2
        if end == 1:
            rest = data
        else:
            yield data[:end]
            rest = data[end:]


def event(chunk: Json) -> bytes:
    return b"data: " + encode(chunk) + b"\n\n"


def payloads(events: bytes) -> list[bytes]:
    """The `data` of each event; comments and other fields are left out."""
    found = []
    for event in events.split(b"\n\n"):
        lines = [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
        if lines:
            found.append(b"\n".join(lines))
    return found


def pair(name: str, value: object) -> bytes:
    """`"name":value` as engines write it: without spaces, so other spellings are mended instead."""
    return b'"' + name.encode() + b'":' + encode(value)


def decode_chunk(data: bytes) -> Json:
    """Raises `EngineFailed` for what is no chunk, and for an engine's own error event."""
    try:
        chunk = decode(data)
    except msgspec.DecodeError as error:
        raise EngineFailed("the engine sent an event that is not JSON") from error
    if not isinstance(chunk, dict):
        raise EngineFailed("the engine sent an event that is not an object")
    # Older vLLM sends the error itself, with `object: error`; everyone else `error` in an object.
    failure = chunk if chunk.get("object") == "error" else chunk.get("error")
    if failure:
        message = failure.get("message") if isinstance(failure, dict) else failure
        raise EngineFailed(f"the engine failed: {message}")
    return chunk
