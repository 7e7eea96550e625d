"""Answers byte by byte, as servers of all kinds send them, through the transport above it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from backends import http1
from backends.errors import EngineFailed
from backends.transport import Transport

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[Transport]:
    """A transport to a server that deals with each connection by `talk`."""
    talks: list[asyncio.Task[None] | None] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    transport = Transport(f"http://127.0.0.1:{port}", engine="raw")
    transport.connections = lambda: len(talks)  # type: ignore[attr-defined]
    try:
        yield transport
    finally:
        await transport.close()
        listening.close()
        await asyncio.gather(*filter(None, talks))


def saying(*pieces: bytes, end: bool = True) -> Talk:
    """Reads a request, writes the pieces one by one, and ends the connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"BODY")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if not end:
            await reader.read()

    return talk


async def asked(transport: Transport) -> tuple[int, bytes]:
    async with asyncio.timeout(10), await transport.post("/x", b"BODY") as answer:
        return answer.status, await answer.read()


WHOLE = {
    "with a length": OK + b"content-length: 5\r\n\r\nhello",
    "chunked": OK + b"transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
    "trailer": OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
    "until the end": OK + b"connection: close\r\n\r\nhello",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "announced by 100": b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 5\r\n\r\nhello",
    "hints by 103": b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n"
    + OK
    + b"content-length:5\r\n\r\nhello",
    "names in capitals": OK + b"Content-Length: 5\r\nX-A:  b \r\n\r\nhello",
}


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE.keys())
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_answer_however_it_is_framed_and_cut(answer: bytes, size: int) -> None:
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    async with server(saying(*pieces)) as transport:
        assert await asked(transport) == (200, b"hello")


@pytest.mark.parametrize(("status", "reason"), [(204, b"No Content"), (200, b"OK"), (500, b"")])
async def test_answer_without_a_body(status: int, reason: bytes) -> None:
    head = b"HTTP/1.1 %d %s\r\ncontent-length: 0\r\n\r\n" % (status, reason)
    async with server(saying(head, end=False)) as transport:
        assert await asked(transport) == (status, b"")


BROKEN = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 20",
    "half the headers": OK + b"content-len",
    "less than its length": OK + b"content-length: 50\r\n\r\nhello",
    "half a chunk": OK + b"transfer-encoding: chunked\r\n\r\n50\r\nhello",
    "no last chunk": OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "chunk of no size": OK + b"transfer-encoding: chunked\r\n\r\nxyz\r\nhello\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "two lengths": OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "switches protocols": b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "endless headers": OK + b"x-a: b\r\n" * 20_000,
    "endless header": OK + b"x-a: " + b"b" * 300_000,
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
async def test_answer_that_is_broken(answer: bytes) -> None:
    async with server(saying(answer)) as transport:
        with pytest.raises(EngineFailed):
            await asked(transport)


async def test_connection_is_used_again_after_a_whole_answer() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"BODY")
            writer.write(OK + b"content-length: 5\r\n\r\nhello")

    async with server(talk) as transport:
        for _ in range(5):
            assert await asked(transport) == (200, b"hello")
        assert transport.connections() == 1  # type: ignore[attr-defined]
        await asyncio.gather(*(asked(transport) for _ in range(5)))
        assert transport.connections() == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"connection: close\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    ],
)
async def test_connection_is_not_used_again_if_the_server_says_so(answer: bytes) -> None:
    async with server(saying(answer, end=False)) as transport:
        for _ in range(2):
            assert await asked(transport) == (200, b"hello")
        assert transport.connections() == 2  # type: ignore[attr-defined]


async def test_connection_that_the_server_closed_meanwhile_is_not_used_again() -> None:
    async with server(saying(OK + b"content-length: 5\r\n\r\nhello")) as transport:
        for _ in range(3):
            assert await asked(transport) == (200, b"hello")
            await asyncio.sleep(0.05)


async def test_what_nobody_asked_for_is_never_taken_for_the_next_answer() -> None:
    once = OK + b"content-length: 5\r\n\r\nhello"
    more = OK + b"content-length: 4\r\n\r\nevil"
    async with server(saying(once + more, end=False)) as transport:
        for _ in range(3):
            try:
                assert await asked(transport) == (200, b"hello")
            except EngineFailed:
                continue  # refused is well, taken for the answer is not


async def test_engine_waits_while_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "BUFFER_BYTES", 10_000)
    written = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"BODY")
        writer.write(OK + b"connection: close\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            written += 100_000

    async with server(talk) as transport, await transport.post("/x", b"BODY") as answer:
        before = -1
        while before != written:
            before = written
            await asyncio.sleep(0.2)
        assert written < 90_000_000, "sockets hold some, but not all of it"
        assert len(await answer.read()) == 100_000_000


async def test_headers_of_ours_cannot_smuggle_a_second_request() -> None:
    with pytest.raises(ValueError, match="line breaks"):
        Transport("http://h/v1", engine="e", headers={"authorization": "Bearer a\r\nx: y"})
