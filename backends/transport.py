"""The HTTP client towards engines: one small interface, so that what is behind it can change.

Engines on this machine are addressed by unix socket. Hanging up in the middle of an answer is what
stops a generation, so an `Answer` that was not read to its end closes its connection.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from backends.errors import EngineFailed, Overloaded
from backends.http1 import Connection, ConnectionBroken

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 600.0
"""Longest wait between two reads: a long prompt on a slow machine says nothing for minutes."""

IDLE_SECONDS = 4.0
"""Below the keep-alive of every engine we know (llama.cpp and uvicorn close after 5 s), so that a
pooled connection is never used just as its other end closes."""


class Answer:
    """An engine's answer: status and headers are there, the body is still to be read."""

    def __init__(self, connection: Connection, engine: str) -> None:
        self._connection = connection
        self._engine = engine
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers
        self._ended = False

    async def read(self) -> bytes:
        """The whole body. Raises `EngineFailed` if the engine goes away first."""
        return b"".join([piece async for piece in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises `EngineFailed` if the engine goes away first."""
        try:
            while piece := await self._connection.read_piece():
                yield piece
            self._ended = True
        except ConnectionBroken as error:
            raise EngineFailed(f"{self._engine} went away while answering: {error}") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Hangs up, unless the answer was read to its end: the connection is another's by now."""
        if not self._ended:
            self._connection.close()


class Transport:
    """Connections to one engine at `url`: `http(s)://host:port/path` or `unix:/path/to.sock`."""

    def __init__(self, url: str, *, engine: str, headers: Mapping[str, str] | None = None) -> None:
        self._engine = engine
        self._socket = url.removeprefix("unix:") if url.startswith("unix:") else None
        parts = urlsplit("http://engine" if self._socket else url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._path = parts.path.rstrip("/")
        lines = [f"host: {parts.netloc.rpartition('@')[2]}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError(f"{engine}: a header must not have line breaks")
        self._headers = "\r\n".join(lines)
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()

    async def post(self, path: str, body: bytes, content_type: str = "application/json") -> Answer:
        """Send `body`, return once status and headers are there.

        Never sent twice: a generation whose connection died may already be running.
        Raises `Overloaded` when nobody listens (the engine is starting or being restarted).
        """
        head = (
            f"POST {self._path}{path} HTTP/1.1\r\n{self._headers}\r\n"
            f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return await self._ask(head.encode("latin-1") + body, SILENCE_SECONDS)

    async def get_status(self, path: str, *, timeout: float) -> int | None:
        """Status of a GET, or None if there was no answer within `timeout` seconds."""
        head = f"GET {self._path}{path} HTTP/1.1\r\n{self._headers}\r\n\r\n"
        try:
            async with (
                asyncio.timeout(timeout),
                await self._ask(head.encode("latin-1"), timeout) as answer,
            ):
                await answer.read()
                return answer.status
        except (EngineFailed, Overloaded, TimeoutError):
            return None

    async def close(self) -> None:
        for connection in list(self._open):
            connection.close()
        self._open.clear()
        self._idle.clear()

    async def _ask(self, request: bytes, silence: float) -> Answer:
        connection = self._pooled() or await self._connect()
        try:
            await connection.ask(request, silence)
        except ConnectionBroken as error:
            raise EngineFailed(f"{self._engine} did not answer: {error}") from error
        except asyncio.CancelledError:
            connection.close()
            raise
        return Answer(connection, self._engine)

    def _pooled(self) -> Connection | None:
        if not self._idle:
            return None
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.alive and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        connection = Connection(self._idle.append, self._open.discard)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if self._socket:
                    await loop.create_unix_connection(lambda: connection, self._socket)
                else:
                    await loop.create_connection(
                        lambda: connection, self._host, self._port, ssl=self._tls
                    )
        except (OSError, TimeoutError) as error:
            raise Overloaded(f"{self._engine} is not reachable, try again shortly") from error
        self._open.add(connection)
        return connection
