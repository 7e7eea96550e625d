import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backends import transport
from backends.errors import EngineFailed, Overloaded
from backends.transport import Transport
from tests.fakes.fake_openai_engine import FakeEngine

BODY = b'{"a": 1}'


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as fake:
        fake.answers({"ok": True})
        yield fake


@pytest.fixture
async def to_engine(engine: FakeEngine) -> AsyncIterator[Transport]:
    made = Transport(engine.url, engine="fake", headers={"x-key": "secret"})
    yield made
    await made.close()


async def test_body_and_headers_arrive_as_given(engine: FakeEngine, to_engine: Transport) -> None:
    async with await to_engine.post("/x", BODY, "application/msgpack") as answer:
        assert answer.status == 200
        assert await answer.read() == b'{"ok": true}'
    assert engine.last.path == "/v1/x"
    assert engine.last.body == BODY
    assert engine.last.headers["content-type"] == "application/msgpack"
    assert engine.last.headers["x-key"] == "secret"
    assert "accept-encoding" not in engine.last.headers, "answers are relayed as bytes"


async def test_pieces_come_as_they_are_sent(engine: FakeEngine, to_engine: Transport) -> None:
    engine.streams([b"one", b"two"], "hang")
    async with await to_engine.post("/x", BODY) as answer:
        got = b""
        async for piece in answer.chunks():
            got += piece
            if got == b"onetwo":
                break
    assert await asyncio.to_thread(engine.caller_left.wait, 5), "unread: the connection is dropped"


async def test_never_sent_twice(engine: FakeEngine, to_engine: Transport) -> None:
    async with await to_engine.post("/x", BODY) as answer:
        await answer.read()
    engine.streams([], "closed")
    with pytest.raises(EngineFailed):
        await to_engine.post("/x", BODY)
    assert len(engine.received) == 2


async def test_redirect_is_not_followed(engine: FakeEngine, to_engine: Transport) -> None:
    engine.answers({}, 307, location=f"{engine.url}/elsewhere")
    async with await to_engine.post("/x", BODY) as answer:
        assert answer.status == 307
    assert [request.path for request in engine.received] == ["/v1/x"]


async def test_silence_is_a_failure(
    engine: FakeEngine, to_engine: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "SILENCE_SECONDS", 0.1)
    engine.streams([b"begun"], "hang")
    async with await to_engine.post("/x", BODY) as answer:
        with pytest.raises(EngineFailed):
            _ = [piece async for piece in answer.chunks()]


async def test_nobody_listening_is_overloaded(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        gone = engine.url
    for url in (gone, f"unix:{tmp_path}/nowhere.sock"):
        nowhere = Transport(url, engine="fake")
        with pytest.raises(Overloaded):
            await nowhere.post("/x", BODY)
        assert await nowhere.get_status("/x", timeout=1) is None
        await nowhere.close()


async def test_status_within_its_time(engine: FakeEngine, to_engine: Transport) -> None:
    assert await to_engine.get_status("/models", timeout=5) == 200


async def test_unix_socket() -> None:
    path = f"/tmp/compat-transport-{os.getpid()}.sock"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(BODY)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, path)
    local = Transport(f"unix:{path}", engine="fake")
    try:
        async with await local.post("/x", BODY) as answered:
            assert await answered.read() == b"hi"
    finally:
        await local.close()
        server.close()
        Path(path).unlink(missing_ok=True)
