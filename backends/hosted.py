"""The gateway's side of `host.py`: a call to an engine process, typed at both ends."""

from typing import Any, TypeVar

import msgspec

from backends import errors
from backends.capabilities import Embedded, EmbedRequest
from backends.host_protocol import ERROR_STATUS, Failure
from backends.transport import Transport

T = TypeVar("T")

KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.InvalidRequest)
}
"""Errors that an engine process may raise on a caller's account; anything else is its own fault."""


class HostedEngine:
    """Calls methods of a hosted backend."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def call(self, path: str, request: Any, gives: type[T]) -> T:
        body = msgspec.msgpack.encode(request)
        async with await self._transport.post(path, body, "application/msgpack") as answer:
            said = await answer.read()
        if answer.status == 200:
            return msgspec.msgpack.decode(said, type=gives)
        if answer.status == ERROR_STATUS:
            failure = msgspec.msgpack.decode(said, type=Failure)
            kind = KINDS.get(failure.kind, errors.EngineFailed)
            raise kind(failure.message, param=failure.param, code=failure.code)
        raise errors.EngineFailed(f"the engine process answered with status {answer.status}")

    async def healthy(self) -> bool:
        return await self._transport.get_status("/health", timeout=2.0) == 200

    async def close(self) -> None:
        await self._transport.close()


class HostedEmbed(HostedEngine):
    """Implements `Embed`."""

    async def embed(self, request: EmbedRequest) -> Embedded:
        return await self.call("/embed", request, Embedded)
