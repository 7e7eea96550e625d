"""The engine host: one small ASGI app that serves one backend over HTTP on a unix socket.

`python -m backends.host --engine onnx --model-folder F --socket S --context N`

For engines that do not serve HTTP themselves. `POST /embed` (one path per capability method) takes
and gives msgpack of the structs in `capabilities.py`; a `CompatError` travels as its class name and
words, and is raised again by `hosted.py` at the other end.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
import uvicorn
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

from backends.capabilities import EmbedRequest
from backends.child import stay_with_parent
from backends.errors import CompatError
from backends.host_protocol import ERROR_STATUS, Failure


class Method(NamedTuple):
    """A capability's method: the struct it takes, and the backend's function."""

    takes: type
    function: Callable[[Any], Any]


def onnx_methods(folder: Path, context: int) -> dict[str, Method]:
    from backends.embedding.onnx import OnnxEmbedding

    return {"/embed": Method(EmbedRequest, OnnxEmbedding(folder, context=context).embed)}


ENGINES: dict[str, Callable[[Path, int], dict[str, Method]]] = {"onnx": onnx_methods}
"""What can be hosted. Each entry imports its engine only when it is the one asked for."""


class Host:
    """The ASGI app. `parallel`: calls that run at the same time; the others wait their turn."""

    def __init__(self, methods: dict[str, Method], parallel: int = 1) -> None:
        self._methods = methods
        self._turn = asyncio.Semaphore(parallel)

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http":
            return None
        if scope["path"] == "/health":
            return await respond(send, 200, b"ok")
        method = self._methods.get(scope["path"])
        if method is None:
            return await respond(send, 404, b"")
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message["body"]
            if not message.get("more_body"):
                break
        try:
            request: Any = msgspec.msgpack.decode(body, type=method.takes)
            async with self._turn:
                answer = await asyncio.to_thread(method.function, request)
        except CompatError as error:
            failure = Failure(type(error).__name__, error.message, error.param, error.code)
            return await respond(send, ERROR_STATUS, msgspec.msgpack.encode(failure))
        return await respond(send, 200, msgspec.msgpack.encode(answer))


async def respond(send: ASGISendCallable, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send(
        {"type": "http.response.start", "status": status, "headers": headers, "trailers": False}
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


def listen(path: Path) -> socket.socket:
    """A unix socket that only this user can connect to: nobody gets past the gateway."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(previous)
    return listener


@click.command()
@click.option("--engine", type=click.Choice(sorted(ENGINES)), required=True)
@click.option("--model-folder", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--socket", "socket_path", type=click.Path(path_type=Path), required=True)
@click.option("--context", type=int, required=True)
def main(engine: str, model_folder: Path, socket_path: Path, context: int) -> None:
    stay_with_parent()
    methods = ENGINES[engine](model_folder, context)
    config = uvicorn.Config(Host(methods), log_level="warning", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listen(socket_path)])


if __name__ == "__main__":
    main()
