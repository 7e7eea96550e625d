"""The hot paths at the level of ASGI messages: what is read, what is sent, and when it stops."""
# ruff: noqa: ASYNC110

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from litestar.types import ASGIApp

from compat_server import relay, sse
from compat_server.record import record_of
from tests.fakes.fake_openai_engine import FakeEngine, completion, text_stream

BODY = json.dumps({"model": "chatty", "messages": [{"role": "user", "content": "Hi"}]}).encode()
STREAM = BODY.replace(b'{"model"', b'{"stream": true, "model"')


class Exchange:
    """One request, message by message. `leave` is what uvicorn says when the caller is gone."""

    def __init__(self, app: ASGIApp, *pieces: bytes, path: str = "/v1/chat/completions") -> None:
        self.sent: list[Any] = []
        self.arrived = asyncio.Event()
        self.stalled = False
        self._to_app: asyncio.Queue[Any] = asyncio.Queue()
        self.pieces_read = 0
        for number, piece in enumerate(pieces):
            more = number < len(pieces) - 1
            self._to_app.put_nowait({"type": "http.request", "body": piece, "more_body": more})
        self.scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
            "state": {},
            "extensions": {},
        }
        self.task = asyncio.ensure_future(app(self.scope, self._receive, self._send))

    def leave(self) -> None:
        self._to_app.put_nowait({"type": "http.disconnect"})

    async def finished(self) -> None:
        await asyncio.wait_for(self.task, 10)

    @property
    def status(self) -> int:
        assert self.sent[0]["type"] == "http.response.start"
        status: int = self.sent[0]["status"]
        return status

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])

    def headers(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.sent[0]["headers"] if key.lower() == name]

    async def _receive(self) -> Any:
        message = await self._to_app.get()
        self.pieces_read += 1
        return message

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        if self.stalled:
            await asyncio.Event().wait()  # the caller reads nothing
        if message.get("body"):
            self.arrived.set()


Ask = Callable[..., Awaitable[Exchange]]


@pytest.fixture
async def ask(app: ASGIApp) -> AsyncIterator[Ask]:
    begun: list[Exchange] = []

    async def start(*pieces: bytes, **more: Any) -> Exchange:
        begun.append(Exchange(app, *pieces, **more))
        return begun[-1]

    yield start
    for exchange in begun:
        exchange.task.cancel()


async def test_whole_answer_is_one_message_with_its_length(ask: Ask, engine: FakeEngine) -> None:
    engine.answers(completion())
    exchange = await ask(BODY[:20], BODY[20:], b"")
    await exchange.finished()
    assert exchange.status == 200
    assert exchange.headers(b"content-type") == [b"application/json"]
    assert exchange.headers(b"content-length") == [str(len(exchange.body)).encode()]
    assert exchange.headers(b"x-compat-model") == [b"chatty"]
    assert len(exchange.headers(b"x-request-id")) == 1
    assert json.loads(exchange.body)["object"] == "chat.completion"


async def test_stream_is_events_and_nothing_else(ask: Ask, engine: FakeEngine) -> None:
    engine.streams(text_stream("Hello"))
    exchange = await ask(STREAM)
    await exchange.finished()
    (kind,) = exchange.headers(b"content-type")
    assert kind.startswith(b"text/event-stream")
    assert exchange.headers(b"cache-control") == [b"no-cache"]
    assert exchange.headers(b"x-compat-route") == [b"backend"]
    assert not exchange.headers(b"content-length")
    assert exchange.body.startswith(b"data: {")
    assert exchange.body.endswith(b"data: [DONE]\n\n")
    assert b"\r" not in exchange.body


async def test_body_over_the_cap_is_refused_while_it_is_read(ask: Ask, engine: FakeEngine) -> None:
    exchange = await ask(*[b"x" * 8000] * 100)
    await exchange.finished()
    assert exchange.status == 413
    assert exchange.pieces_read == 3, "what follows is not read"
    assert b"20000 bytes" in exchange.body
    assert not engine.received


async def test_body_of_exactly_the_cap_is_read(ask: Ask, engine: FakeEngine) -> None:
    engine.answers(completion())
    exchange = await ask(BODY + b" " * (20_000 - len(BODY)))
    await exchange.finished()
    assert exchange.status == 200
    exchange = await ask(BODY + b" " * (20_001 - len(BODY)))
    await exchange.finished()
    assert exchange.status == 413


@pytest.mark.parametrize("pieces", [[], [BODY[:20]]], ids=["at once", "in the middle"])
async def test_caller_who_leaves_while_sending_is_not_answered(
    ask: Ask, engine: FakeEngine, pieces: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    exchange = await ask()
    for piece in pieces:
        exchange._to_app.put_nowait({"type": "http.request", "body": piece, "more_body": True})
    exchange.leave()
    await exchange.finished()
    assert exchange.sent == []
    assert record_of(exchange.scope).status == relay.LEFT
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_caller_who_leaves_before_the_answer_stops_the_engine(
    ask: Ask, engine: FakeEngine
) -> None:
    engine.streams([], "hang")
    exchange = await ask(BODY)
    while not engine.received:
        await asyncio.sleep(0.01)
    exchange.leave()
    await exchange.finished()
    assert await asyncio.to_thread(engine.caller_left.wait, 5)
    assert exchange.sent == []
    assert record_of(exchange.scope).status == relay.LEFT


async def test_caller_who_leaves_in_mid_stream_stops_the_engine(
    ask: Ask, engine: FakeEngine
) -> None:
    engine.streams(text_stream("Hello")[:2], "hang")
    exchange = await ask(STREAM)
    await asyncio.wait_for(exchange.arrived.wait(), 10)
    exchange.leave()
    await exchange.finished()
    assert await asyncio.to_thread(engine.caller_left.wait, 5)


async def test_caller_who_leaves_between_headers_and_first_event_stops_the_engine(
    ask: Ask, engine: FakeEngine
) -> None:
    engine.streams(text_stream("Hello")[:2], "hang")
    exchange = await ask(STREAM)
    exchange.stalled = True
    while not exchange.sent:
        await asyncio.sleep(0.01)
    exchange.leave()
    await exchange.finished()
    assert await asyncio.to_thread(engine.caller_left.wait, 5)


@pytest.mark.parametrize("ending", ["cut", "reset"])
async def test_failure_after_the_first_byte_is_the_last_event(
    ask: Ask, engine: FakeEngine, ending: Any
) -> None:
    engine.streams(text_stream("Hello")[:2], ending)
    exchange = await ask(STREAM)
    await exchange.finished()
    assert exchange.status == 200
    *_, last, rest = exchange.body.split(b"\n\n")
    assert rest == b""
    error = json.loads(last.removeprefix(b"data: "))["error"]
    assert error["type"] == "server_error"
    assert error.keys() == {"message", "type", "param", "code"}
    assert b"[DONE]" not in exchange.body
    assert record_of(exchange.scope).failed is not None


async def test_refusal_before_the_first_byte_is_a_status(ask: Ask, engine: FakeEngine) -> None:
    engine.answers({"error": {"message": "slow down"}}, 429, retry_after="3")
    exchange = await ask(STREAM)
    await exchange.finished()
    assert exchange.status == 429
    assert exchange.headers(b"retry-after") == [b"3"]
    assert json.loads(exchange.body)["error"]["message"] == "slow down"


async def test_comment_keeps_a_silent_stream_alive(
    ask: Ask, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "PING_SECONDS", 0.05)
    engine.streams(text_stream("Hello")[:2], "hang")
    exchange = await ask(STREAM)
    async with asyncio.timeout(10):
        while not exchange.sent or b"\n\n: ping" not in exchange.body:
            await asyncio.sleep(0.02)


async def test_many_streams_at_once_keep_apart(ask: Ask, engine: FakeEngine) -> None:
    engine.streams(text_stream(*"Hello"))
    exchanges = [await ask(STREAM) for _ in range(20)]
    await asyncio.gather(*(exchange.finished() for exchange in exchanges))
    assert {exchange.body.count(b'"content"') for exchange in exchanges} == {6}
    ids = {exchange.headers(b"x-request-id")[0] for exchange in exchanges}
    assert len(ids) == 20
