"""The HTTP client towards engines: one small interface, aiohttp behind it today.

aiohttp costs a quarter of httpx per request and closes the connection when a caller goes away,
which is what stops a generation. Engines on this machine are addressed by unix socket.
"""

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from backends.errors import EngineFailed, Overloaded

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 600.0
"""Longest wait between two bytes: a long prompt on a slow machine says nothing for minutes."""


class Answer:
    """An engine's answer: status and headers are there, the body is still to be read."""

    def __init__(self, response: aiohttp.ClientResponse, engine: str) -> None:
        self._response = response
        self._engine = engine
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """The whole body. Raises `EngineFailed` if the engine goes away first."""
        try:
            return await self._response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EngineFailed(f"{self._engine} went away while answering") from error

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises `EngineFailed` if the engine goes away first."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EngineFailed(f"{self._engine} went away while answering") from error

    def close(self) -> None:
        """Drop the connection unless the body was read to its end; engines take that as a stop."""
        self._response.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class Transport:
    """Connections to one engine at `url`: `http(s)://host:port/path` or `unix:/path/to.sock`."""

    def __init__(self, url: str, *, engine: str, headers: Mapping[str, str] | None = None) -> None:
        self._engine = engine
        self._headers = dict(headers or {})
        self._socket = url.removeprefix("unix:") if url.startswith("unix:") else None
        self._base = "http://engine" if self._socket else url.rstrip("/")
        # Parsing a URL costs as much as sending it: each path is parsed once.
        self._urls: dict[str, URL] = {}
        self._session: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: bytes, content_type: str = "application/json") -> Answer:
        """Send `body`, return once status and headers are there.

        Never sent twice: a generation whose connection died may already be running.
        Raises `Overloaded` when nobody listens (the engine is starting or being restarted).
        """
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._base + path)
        headers = {"content-type": content_type, **self._headers}
        try:
            response = await self._open().post(
                url, data=body, headers=headers, allow_redirects=False
            )
        except aiohttp.ClientConnectorError as error:
            raise Overloaded(f"{self._engine} is not reachable, try again shortly") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EngineFailed(f"{self._engine} did not answer") from error
        return Answer(response, self._engine)

    async def get_status(self, path: str, *, timeout: float) -> int | None:
        """Status of a GET, or None if there was no answer within `timeout` seconds."""
        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._open().get(
                self._base + path, headers=self._headers, timeout=limit
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        """Sessions belong to a running loop, so the first request makes it."""
        if self._session is None:
            connector: aiohttp.BaseConnector = (
                aiohttp.UnixConnector(self._socket, limit=0)
                if self._socket
                # Below the keep-alive of every engine we know (llama.cpp and uvicorn close after
                # 5 s), so that a pooled connection is never used just as its other end closes.
                else aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0)
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=True,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
                ),
            )
        return self._session
