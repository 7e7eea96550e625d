"""What is kept about each request: its id, and one log line and a few metrics once it is over.

Never content: no prompt, no answer, no key.
"""

import time
from typing import Any
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import Struct
from prometheus_client import Counter, Gauge, Histogram

log = structlog.get_logger()

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

requests = Counter("compat_requests", "Requests answered", ["operation", "model", "status"])
durations = Histogram(
    "compat_request_seconds", "From request to last byte", ["operation", "model"], buckets=SECONDS
)
first_bytes = Histogram(
    "compat_first_event_seconds",
    "From request to first event of a stream",
    ["model"],
    buckets=SECONDS,
)
in_flight = Gauge("compat_requests_in_flight", "Requests being answered")

QUIET = ("/health/", "/metrics")


class Record(Struct):
    """One request's record; handlers fill in what only they know."""

    id: str
    started: float
    model: str = ""
    status: int = 0
    first_at: float = 0.0
    caller_left: bool = False
    failed: Exception | None = None

    def first_byte(self) -> None:
        if not self.first_at:
            self.first_at = time.perf_counter()


def record_of(scope: Scope) -> Record:
    found: Record = scope["compat_record"]  # type: ignore[typeddict-item]
    return found


class Recorded:
    """ASGI layer: puts a `Record` into the scope and `x-request-id` on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        record = Record("req_" + uuid4().hex, time.perf_counter())
        scope["compat_record"] = record  # type: ignore[typeddict-unknown-key]

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                milliseconds = int((time.perf_counter() - record.started) * 1000)
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", record.id.encode()),
                    (b"openai-processing-ms", str(milliseconds).encode()),
                ]
            await send(message)

        in_flight.inc()
        try:
            await self._app(scope, receive, send_recorded)
        finally:
            in_flight.dec()
            finish(record, scope)


def finish(record: Record, scope: Any) -> None:
    seconds = time.perf_counter() - record.started
    path: str = scope["path"]
    if path.startswith(QUIET):
        return
    status = 499 if record.caller_left else record.status
    # The route's template, not the path: ids in paths would make a metric of each.
    operation = path if status != 404 else "unknown"
    requests.labels(operation, record.model, status).inc()
    durations.labels(operation, record.model).observe(seconds)
    if record.first_at:
        first_bytes.labels(record.model).observe(record.first_at - record.started)
    log.info(
        "request",
        id=record.id,
        method=scope["method"],
        path=path,
        status=status,
        model=record.model,
        ms=round(seconds * 1000, 1),
        **({"failed": str(record.failed)} if record.failed else {}),
    )
