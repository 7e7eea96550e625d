"""An OpenAI-shaped server on a real socket that answers whatever a test tells it to.

It stands for the engines that cannot run here: vLLM, TGI, SGLang, Ollama, the vendor. Bytes go out
exactly as given and each piece by itself, so that framing, splitting and dying can be tried.
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal, Self

from tests.quiet_server import QuietServer

Ending = Literal["whole", "cut", "reset", "hang", "closed"]
"""After the pieces: end properly; close within the body; reset; say nothing more. `closed`: no
answer at all, the connection is closed as soon as the request is there."""


@dataclass
class Script:
    """One answer. `pieces` are written one by one as chunks of the body."""

    pieces: list[bytes] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    ending: Ending = "whole"


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeEngine:
    """`with FakeEngine() as engine:`; `url` ends in /v1. Set `script` before each request."""

    def __init__(self) -> None:
        self.script = Script()
        self.received: list[Received] = []
        self.caller_left = threading.Event()
        self.release = threading.Event()
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def do_GET(self) -> None:
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                engine.received.append(Received(self.path, headers, body))
                try:
                    engine._play(self, engine.script)
                except OSError:
                    engine.caller_left.set()
                    self.close_connection = True

            def log_message(self, *args: Any) -> None:
                pass

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def answers(self, body: object, status: int = 200, **headers: str) -> None:
        """A whole answer: an object as JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.script = Script([data], status, {"content-type": "application/json", **named})

    def streams(self, pieces: Iterable[bytes], ending: Ending = "whole") -> None:
        self.script = Script(list(pieces), 200, {"content-type": "text/event-stream"}, ending)

    @property
    def last(self) -> Received:
        return self.received[-1]

    def _play(self, handler: BaseHTTPRequestHandler, script: Script) -> None:
        out, connection = handler.wfile, handler.connection
        if script.ending == "closed":
            handler.close_connection = True
            return None
        if script.ending == "hang" and not script.pieces:
            return self._hang(connection)
        headers = {**script.headers, "transfer-encoding": "chunked"}
        lines = [f"HTTP/1.1 {script.status} So", *(f"{k}: {v}" for k, v in headers.items())]
        out.write("\r\n".join([*lines, "", ""]).encode())
        for piece in filter(None, script.pieces):
            out.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if len(script.pieces) > 1:
                time.sleep(0.0003)  # so that the other side reads them one by one
        if script.ending == "whole":
            out.write(b"0\r\n\r\n")
            return None
        if script.ending == "hang":
            return self._hang(connection)
        if script.ending == "reset":
            time.sleep(0.05)  # a reset discards what has not been read yet
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        return None

    def _hang(self, connection: socket.socket) -> None:
        connection.settimeout(0.02)
        while not self.release.is_set():
            try:
                if not connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.caller_left.set()
        raise ConnectionAbortedError


def event(data: object) -> bytes:
    """One server-sent event, as most engines write it."""
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> Any:
    """A chunk of a chat completion; without a delta, one without choices."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "upstream",
        "choices": [] if delta is None else [choice],
        **more,
    }


def text_stream(*texts: str, finish: str = "stop", usage: bool = False) -> list[bytes]:
    """A well-behaved stream: role, texts, end, `[DONE]`."""
    counts = {"prompt_tokens": 5, "completion_tokens": len(texts), "total_tokens": 5 + len(texts)}
    return [
        event(chunk({"role": "assistant", "content": ""})),
        *(event(chunk({"content": text})) for text in texts),
        event(chunk({}, finish)),
        *([event(chunk(usage=counts))] if usage else []),
        b"data: [DONE]\n\n",
    ]


def completion(content: str | None = "Hello", finish: str = "stop", **message: Any) -> Any:
    """A whole chat completion."""
    message = {"role": "assistant", "content": content, **message}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "upstream",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
    }
