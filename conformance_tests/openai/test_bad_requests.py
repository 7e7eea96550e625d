"""Requests that are wrong before any field is looked at: bodies, paths, methods, callers."""

import socket
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, OpenAI

from conformance_tests.live_server import LiveServer
from conformance_tests.openai.refusal import as_refused, refused

CHAT = "/v1/chat/completions"
HOT = [CHAT, "/v1/completions", "/v1/embeddings"]
GOOD = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}],"max_tokens":1}'

BODIES = {
    "empty": b"",
    "no json": b"model=gpt-4o-mini",
    "truncated": GOOD[:-20],
    "two values": GOOD + GOOD,
    "array": b"[]",
    "string": b'"hello"',
    "null": b"null",
    "number": b"1",
    "not utf-8": b'{"model":"\xff\xfe"}',
    "lone surrogate": b'{"model":"\\ud800"}',
    "NaN": b'{"model":"gpt-4o-mini","temperature":NaN}',
    "deep arrays": b'{"model":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "deep objects": b'{"a":' * 3000 + b"1" + b"}" * 3000,
    "never closed": b"[" * 100_000,
}


@pytest.mark.parametrize("path", HOT)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_body(server: LiveServer, path: str, body: bytes) -> None:
    error = refused(server, path, body)
    assert (error.status, error.type) == (400, "invalid_request_error")
    assert len(error.message) < 1000


@pytest.mark.parametrize("path", HOT)
@pytest.mark.parametrize("size", [1_000_001, 5_000_000])
def test_too_large(server: LiveServer, path: str, size: int) -> None:
    error = refused(server, path, GOOD + b" " * (size - len(GOOD)))
    assert error.status == 413
    assert "1000000 bytes" in error.message


def test_as_large_as_allowed(server: LiveServer) -> None:
    assert server.wire.post(CHAT, GOOD + b" " * (1_000_000 - len(GOOD))).status == 200


def test_too_large_without_a_length(server: LiveServer) -> None:
    """Chunked, so that only counting finds out."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(16):
            connection.sendall(piece)
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_content_type_does_not_matter(server: LiveServer) -> None:
    """curl without a header says it sends a form."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert server.wire.post(CHAT, GOOD, headers).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", path) for path in HOT if path != CHAT]
    + [(method, path) for method in ("PUT", "DELETE", "PATCH") for path in HOT],
)
def test_wrong_method(server: LiveServer, path: str, method: str) -> None:
    error = as_refused(server.wire.send(method, path, None, {}))
    assert error.status == 405
    assert method in error.message and path in error.message


def test_wrong_method_on_models(server: LiveServer) -> None:
    assert as_refused(server.wire.post("/v1/models", b"{}")).status == 405


@pytest.mark.parametrize(
    "path",
    ["/v1/nothing", "/v1", "/nothing", "/", "/v2/chat/completions", "/v1/chat/completions/x/y"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_url(server: LiveServer, path: str, method: str) -> None:
    error = as_refused(server.wire.send(method, path, None, {}))
    assert (error.status, error.code) == (404, "unknown_url")
    assert error.message == f"Invalid URL ({method} {path})"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "localhost.evil.example:8000"},
        {"host": ""},
        {"host": "["},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/metrics"])
def test_foreign_page(server: LiveServer, path: str, headers: dict[str, str]) -> None:
    """Without keys a web page must not be able to use the server, by whatever name it calls it."""
    method, body = ("POST", GOOD) if path == CHAT else ("GET", None)
    error = as_refused(server.wire.send(method, path, body, headers))
    assert error.status == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8000", "LOCALHOST:8000"])
def test_own_names(server: LiveServer, host: str) -> None:
    headers = {"host": host, "origin": "http://localhost:3000"}
    assert server.wire.get("/v1/models", headers).status == 200


def test_sdk_raises_what_it_should(client: OpenAI) -> None:
    wrong: Any = {"model": "gpt-4o-mini", "messages": [], "max_tokens": 2}
    with pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(**wrong)
    assert caught.value.param == "messages"
    assert caught.value.request_id
    with pytest.raises(APIStatusError) as missing:
        client.files.list()
    assert missing.value.status_code == 404
    assert missing.value.code == "unknown_url"
