"""An HTTP/1.1 client connection: one request at a time, parsed by httptools, on asyncio.

What the gateway asks of a client is small (POST bytes, read a stream, hang up in the middle), it
does so for every request, and the libraries cost five to a hundred times more for it (measured in
`bench`). The parser is the one uvicorn serves with; anything unusual ends the connection.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

HEADER_BYTES = 65_536
"""Most that status line and headers of an answer may have."""

BUFFER_BYTES = 262_144
"""Once this much of a body waits to be read, the engine is made to wait."""


class ConnectionBroken(Exception):
    """The connection ended, or said something that is no HTTP, before the answer was whole."""


class Connection(asyncio.Protocol):
    """Send with `ask`, then `read_piece` until it gives nothing.

    `on_idle`: called when the answer is whole and another may be asked for; `on_closed`: once.
    """

    def __init__(
        self,
        on_idle: Callable[["Connection"], object],
        on_closed: Callable[["Connection"], object],
    ) -> None:
        self._on_idle = on_idle
        self._on_closed = on_closed
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self.idle_since = 0.0
        self._forget()

    def _forget(self) -> None:
        """Ready for the next answer."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self._header_bytes = 0
        self._has_headers = False
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._reusable = False
        self.complete = False
        self._error: ConnectionBroken | None = None
        self._asking = False
        self._last_heard = 0.0

    @property
    def alive(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes, silence: float) -> None:
        """Sends `request`, returns once status and headers are there.

        `silence`: seconds, the longest pause between two reads. Raises `ConnectionBroken`.
        """
        if self._transport is None or self._loop is None:
            raise ConnectionBroken("the connection is closed")
        self._forget()
        self._asking = True
        self._last_heard = self._loop.time()
        self._timer = self._loop.call_later(silence, self._check_silence, silence)
        self._transport.write(request)
        while not self._has_headers:
            await self._wait()

    async def read_piece(self) -> bytes:
        """What has arrived of the body; nothing once it is whole. Raises `ConnectionBroken`."""
        while not self._pieces:
            if self.complete:
                self._finish()
                return b""
            await self._wait()
        pieces = self._pieces
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._waiting_bytes = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return piece

    def close(self) -> None:
        """Hangs up. Engines take that as a stop."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        if self.complete:
            return
        if self._loop is not None:
            self._waiter = self._loop.create_future()
            await self._waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _fail(self, reason: str) -> None:
        if not self.complete and self._error is None:
            self._error = ConnectionBroken(reason)
        self.close()
        self._wake()

    def _check_silence(self, silence: float) -> None:
        if self._loop is None or self.complete:
            return
        left = self._last_heard + silence - self._loop.time()
        if left <= 0 and not self._paused:
            self._fail(f"nothing was heard for {silence:.0f} seconds")
        else:
            self._timer = self._loop.call_later(max(left, 1.0), self._check_silence, silence)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        if self._loop is not None:
            self._last_heard = self._loop.time()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(str(error.__context__ or "the answer is not HTTP"))
            return
        if self._waiting_bytes > BUFFER_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        unbounded = not {"content-length", "transfer-encoding"} & self.headers.keys()
        if self._has_headers and unbounded and error is None:
            # An answer without a length lasts until the connection ends.
            self.complete = True
        self._transport = None
        self._fail("the connection ended")
        self._on_closed(self)

    def _finish(self) -> None:
        """Everything was read: only now may the connection carry another request."""
        if self._timer is not None:
            self._timer.cancel()
        if self.alive and self._reusable and self._loop is not None:
            self.idle_since = self._loop.time()
            self._on_idle(self)
        else:
            self.close()

    # httptools

    def on_message_begin(self) -> None:
        # What a parser's callback raises ends the parsing: nothing of this message gets through.
        if not self._asking:
            raise ConnectionBroken("an answer came that nobody had asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEADER_BYTES:
            raise ConnectionBroken("the headers are too large")
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        # 1xx only announces the answer.
        self._has_headers = self.status >= 200
        if not self._has_headers:
            self.headers = {}

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._waiting_bytes += len(body)

    def on_message_complete(self) -> None:
        if self._has_headers:
            # llama.cpp closes after a stream without having said so, just when it is used again.
            streamed = self.headers.get("content-type", "").startswith("text/event-stream")
            self._reusable = self._parser.should_keep_alive() and not streamed
            self.complete = True
            self._asking = False
