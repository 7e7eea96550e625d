"""A refused request, with what must hold for every one of them."""

from typing import Any

from msgspec import Struct

from conformance_tests.live_server import LiveServer
from conformance_tests.wire import Exchange, Wire

SECONDS = 10.0
"""Bad input costs nothing to refuse; the limit is wide for slow machines only."""


class Refused(Struct):
    """Status and the four keys of the vendor's error object."""

    status: int
    message: str
    type: str
    param: str | None
    code: str | None


def refused(server: LiveServer, path: str, content: Any, **headers: str) -> Refused:
    """Posts `content`, which has to be refused."""
    wire = Wire("127.0.0.1", server.port, timeout=SECONDS)
    return as_refused(wire.post(path, content, headers))


def as_refused(answer: Exchange) -> Refused:
    assert 400 <= answer.status < 500, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    body = answer.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str) and error["message"]
    assert isinstance(error["type"], str)
    return Refused(answer.status, **error)
