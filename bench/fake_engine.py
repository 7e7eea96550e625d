"""An engine that costs almost nothing: it speaks OpenAI's wire format from prebuilt bytes.

`python -m bench.fake_engine` listens on a free port of 127.0.0.1 and prints that port. The model
name decides how the answer comes: see `SCRIPTS` in answers.py.
"""

import asyncio
import re
from typing import cast

import httptools
import uvloop

from bench.answers import EVENTS, FIXED, NOT_FOUND, PLAIN, SCRIPTS, SLICES, STREAM_HEAD

TICK_S = 0.005
# 8 ticks: 25 chunks/s per stream, so that with 40 streams about five chunks share a tick.
TICKS_PER_CHUNK = 8
DELAY_S = 0.010

STREAM = re.compile(rb'"stream"\s*:\s*true')
USAGE = re.compile(rb'"include_usage"\s*:\s*true')
MODEL = re.compile(rb'"model"\s*:\s*"([^"]+)"')


class Ticker:
    """Wakes paced streams on a common tick, like the steps of a batching engine."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.slots: list[set[Engine]] = [set() for _ in range(TICKS_PER_CHUNK)]
        self.count = 0
        self.running = False

    def add(self, stream: "Engine") -> None:
        """Puts the stream on the coming tick; the next ones follow every TICKS_PER_CHUNK."""
        self.slots[(self.count + 1) % TICKS_PER_CHUNK].add(stream)
        if not self.running:
            self.running = True
            self.loop.call_later(TICK_S, self.tick, self.loop.time() + TICK_S)

    def tick(self, due: float) -> None:
        """Sends one chunk on every stream of this tick."""
        self.count += 1
        slot = self.slots[self.count % TICKS_PER_CHUNK]
        slot -= {stream for stream in slot if not stream.send_next()}
        self.running = any(self.slots)
        if self.running:
            self.loop.call_at(due + TICK_S, self.tick, due + TICK_S)


class Engine(asyncio.Protocol):
    """One connection. Requests on it come one after the other (no pipelining)."""

    def __init__(self, ticker: Ticker) -> None:
        self.ticker = ticker
        self.loop = ticker.loop
        self.parser = httptools.HttpRequestParser(self)
        self.path = b""
        self.body: list[bytes] = []
        self.queue: list[bytes] = []
        self.sent = 0
        self.writable = True
        self.stalled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.queue = []  # ends a running stream at its next step

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        if self.stalled:
            self.stalled = False
            self.burst()

    def on_url(self, url: bytes) -> None:
        self.path = url.partition(b"?")[0]
        self.body = []

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        fixed = FIXED.get((self.parser.get_method(), self.path))
        if fixed is None and self.path == b"/v1/chat/completions":
            self.chat(b"".join(self.body))
        else:
            self.transport.write(fixed or NOT_FOUND)
        if not self.queue:
            self.end()

    def end(self) -> None:
        """After a whole answer: closes the connection if the client asked for that."""
        if not self.parser.should_keep_alive():
            self.transport.close()

    def chat(self, body: bytes) -> None:
        """Answers at once, or starts a stream at the pace of the model's script."""
        found = MODEL.search(body)
        model = found[1] if found else b""
        if not STREAM.search(body) or model not in PLAIN:
            self.transport.write(PLAIN.get(model, NOT_FOUND))
            return
        key = (model, USAGE.search(body) is not None)
        pace = SCRIPTS[model.decode()].pace
        self.queue = SLICES[key] if pace == "burst" else EVENTS[key]
        self.sent = 0
        self.transport.write(STREAM_HEAD)
        if pace == "burst":
            self.burst()
        elif pace == "tick":
            self.ticker.add(self)
        else:
            self.loop.call_later(DELAY_S, self.delayed)

    def send_next(self) -> bool:
        """Sends one piece; False when the stream is over."""
        if self.sent < len(self.queue):
            self.transport.write(self.queue[self.sent])
            self.sent += 1
        if self.sent < len(self.queue):
            return True
        self.queue = []
        self.end()
        return False

    def burst(self) -> None:
        # One piece per turn of the loop: uvloop would join them all into one system call.
        if not self.writable:
            self.stalled = True
        elif self.send_next():
            self.loop.call_soon(self.burst)

    def delayed(self) -> None:
        if self.send_next():
            self.loop.call_later(DELAY_S, self.delayed)


async def serve() -> None:
    """Listens until it is ended."""
    loop = asyncio.get_running_loop()
    ticker = Ticker(loop)
    server = await loop.create_server(lambda: Engine(ticker), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
