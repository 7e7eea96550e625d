"""What is kept about each request: its id, and one log line and a few metrics once it is over.

Never content: no prompt, no answer, no key.
"""

import secrets
import time
from functools import cache
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import Struct
from prometheus_client import Counter, Gauge, Histogram

from compat_server import logs

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

requests = Counter("compat_requests", "Requests answered", ["operation", "model", "status"])
durations = Histogram(
    "compat_request_seconds", "From request to last byte", ["operation", "model"], buckets=SECONDS
)
first_events = Histogram(
    "compat_first_event_seconds", "From request to first event", ["model"], buckets=SECONDS
)
in_flight = Gauge("compat_requests_in_flight", "Requests being answered")

# Looking a label set up takes a lock and a tuple; the few there are, are kept.
counter_of = cache(requests.labels)
duration_of = cache(durations.labels)

QUIET = ("/health/", "/metrics")
LEFT = 499
"""The status in logs and metrics of a request whose caller left, as nginx has it."""


class Record(Struct):
    """One request's record; handlers fill in what only they know."""

    id: str
    started: float
    method: str
    path: str
    operation: str = ""
    model: str = ""
    status: int = 0
    first_at: float = 0.0
    failed: Exception | None = None


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
        # Kept now: a router may put something else into the scope.
        record = Record(
            "req_" + secrets.token_hex(16), time.perf_counter(), scope["method"], scope["path"]
        )
        scope["compat_record"] = record  # type: ignore[typeddict-unknown-key]

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                milliseconds = int((time.perf_counter() - record.started) * 1000)
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", record.id.encode()),
                    (b"openai-processing-ms", b"%d" % milliseconds),
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
    if record.path.startswith(QUIET):
        return
    # Never the path itself: anyone could make a metric of each.
    operation = record.operation or scope.get("path_template") or "other"
    counter_of(operation, record.model, record.status).inc()
    duration_of(operation, record.model).observe(seconds)
    if record.first_at:
        first_events.labels(record.model).observe(record.first_at - record.started)
    fields = {
        "id": record.id,
        "method": record.method,
        "path": record.path,
        "status": record.status,
        "model": record.model,
        "ms": round(seconds * 1000, 1),
    }
    if record.failed:
        fields["failed"] = str(record.failed)
    logs.line("request", fields)
