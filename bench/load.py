"""A load generator in a process of its own: raw HTTP/1.1 over asyncio, every answer checked.

`python -m bench.load '<Spec as JSON>'` prints a `Result` as JSON, or fails if any answer was
wrong or incomplete. It reads the CPU time of the gateway itself, right before the first request
and right after the last answer, so that neither start-up nor idle time is counted.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools
import uvloop

from bench.processes import cpu_seconds


@dataclass(frozen=True)
class Spec:
    """What to ask, how often, and what a right answer looks like."""

    url: str
    body: str
    marker: str  # regular expression, to be found exactly `units` times in the answer
    units: int
    tail: str  # what the answer ends with
    connections: int
    window_s: float  # no request starts after this time; those under way are awaited
    every_s: float  # pause between the starts of one connection's requests; 0: back to back
    pids: tuple[int, ...]  # the gateway's processes


@dataclass(frozen=True)
class Result:
    """What was measured in one window."""

    answers: int
    cpu_s: float
    first_s: list[float]  # per answer: time to the first byte of its body
    whole_s: list[float]  # per answer: time to its end


class WrongAnswerError(Exception):
    """An answer was incomplete, or not what the engine sent."""


class Connection(asyncio.Protocol):
    """One keep-alive connection that carries one request at a time."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.marker = re.compile(spec.marker.encode())
        self.tail = spec.tail.encode()
        self.request = request(spec)
        self.parser = httptools.HttpResponseParser(self)
        self.parts: list[bytes] = []
        self.first = 0.0
        self.done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done and not self.done.done():
            self.done.set_exception(WrongAnswerError(f"connection closed amid an answer: {exc}"))

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if not self.parts:
            self.first = time.perf_counter()
        self.parts.append(body)

    def on_message_complete(self) -> None:
        if self.done and not self.done.done():
            self.done.set_result(None)

    async def ask(self) -> tuple[float, float]:
        """Sends the request, checks the answer; seconds to its first byte and to its end."""
        self.parts = []
        self.done = asyncio.get_running_loop().create_future()
        start = time.perf_counter()
        self.transport.write(self.request)
        await self.done
        end = time.perf_counter()
        self.check(b"".join(self.parts))
        return self.first - start, end - start

    def check(self, body: bytes) -> None:
        """Raises WrongAnswerError unless the answer is whole and right."""
        status = self.parser.get_status_code()
        units = len(self.marker.findall(body))
        if status != 200 or units != self.spec.units or not body.endswith(self.tail):
            raise WrongAnswerError(
                f"{self.spec.url}: status {status}, {units} of {self.spec.units} parts, "
                f"begins {body[:300]!r}, ends {body[-200:]!r}"
            )


def request(spec: Spec) -> bytes:
    """The request as a client library would send it."""
    url = urlsplit(spec.url)
    body = spec.body.encode()
    head = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAccept: application/json\r\n"
        "Content-Type: application/json\r\nUser-Agent: bench/1\r\n"
        f"Authorization: Bearer sk-bench\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def repeat(
    connection: Connection, begin: float, deadline: float
) -> list[tuple[float, float]]:
    """Asks from `begin` until `deadline` (perf_counter seconds), at least once."""
    times: list[tuple[float, float]] = []
    while True:
        now = time.perf_counter()
        start = max(now, begin + connection.spec.every_s * len(times))
        if times and start >= deadline:
            return times
        if start > now:
            await asyncio.sleep(start - now)
        times.append(await connection.ask())


async def measure(spec: Spec) -> Result:
    """Opens the connections, then runs one window on them."""
    loop = asyncio.get_running_loop()
    url = urlsplit(spec.url)
    connections = []
    for _ in range(spec.connections):
        made = await loop.create_connection(
            lambda: Connection(spec), url.hostname or "", url.port or 80
        )
        connections.append(made[1])
    cpu = cpu_seconds(spec.pids)
    begin = time.perf_counter()
    # Starts are spread over one interval, so that a low rate is not a burst from all at once.
    spread = spec.every_s / spec.connections
    tasks = [
        repeat(connection, begin + i * spread, begin + spec.window_s)
        for i, connection in enumerate(connections)
    ]
    times = [pair for pairs in await asyncio.gather(*tasks) for pair in pairs]
    cpu = cpu_seconds(spec.pids) - cpu
    return Result(len(times), cpu, [first for first, _ in times], [whole for _, whole in times])


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(measure(Spec(**json.loads(sys.argv[1])))))))
