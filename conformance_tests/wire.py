"""Requests as bytes, for what an SDK does not show: framing, headers, bodies no SDK would send."""

import http.client
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct


class Exchange(Struct):
    """One answer. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def data(self) -> list[str]:
        """A stream's `data` fields. Fails on anything but events of a single `data:` line."""
        assert self.body.endswith(b"\n\n"), self.body[-80:]
        events = self.body.decode()[:-2].split("\n\n")
        assert all(event.startswith("data: ") and "\n" not in event for event in events), events
        return [event.removeprefix("data: ") for event in events]

    def chunks(self) -> list[dict[str, Any]]:
        """A stream's events as JSON, without the `[DONE]` that has to be the last."""
        *events, last = self.data()
        assert last == "[DONE]"
        assert "[DONE]" not in events
        return [msgspec.json.decode(event) for event in events]


class Wire:
    """One connection per request. `timeout`: for every answer, in seconds."""

    def __init__(self, host: str, port: int, timeout: float = 60.0) -> None:
        self._host = host
        self._port = port
        self._timeout = timeout

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Exchange:
        return self.send("GET", path, None, headers or {})

    def post(self, path: str, content: Any, headers: Mapping[str, str] | None = None) -> Exchange:
        """`content`: bytes as they are, anything else as JSON."""
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        return self.send(
            "POST", path, body, {"content-type": "application/json", **(headers or {})}
        )

    def send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Exchange:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Exchange(answer.status, named, answer.read())
        finally:
            connection.close()
