"""The hot paths: raw ASGI from the socket to the dialect's handler and back.

A handler takes a `Call` and gives a `Reply`, whose body is either the whole answer or framed
server-sent events. Everything they share is here once: reading the body under its cap, noticing
that the caller left, and turning a failure into the vendor's form before or after the first byte.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import unquote

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send
from msgspec import Struct

from backends.capabilities import Events
from backends.errors import (
    CompatError,
    EngineFailed,
    MethodNotAllowed,
    RouteNotFound,
    TooLarge,
)
from compat_server import errors
from compat_server.json_response import send_json
from compat_server.record import LEFT, record_of
from compat_server.sse import FramedEvents
from compat_server.state import State
from routing.catalogue import Entry

PATIENCE_SECONDS = 0.2
"""How long an answer may take before it is watched whether the caller is still there."""


class Call(Struct):
    """One request. `model`: named by the path rather than the body (Azure's form), else empty."""

    body: bytes
    model: str = ""


class Reply(Struct):
    """`body`: JSON, or framed events. `entry`: who answered."""

    body: bytes | Events
    entry: Entry


Handler = Callable[[Call, State], Awaitable[Reply]]
Query = Callable[[bytes, State], Awaitable[bytes]]
"""Answers GET: from the query string to JSON."""


class CallerLeft(Exception):
    """The caller closed the connection; there is nobody to answer."""


def hot(paths: Sequence[str], handler: Handler, query: Query | None = None) -> ASGIRouteHandler:
    """`handler` behind POST on each of `paths`; `query`, where there is one, behind GET.

    Litestar lets nothing else have a path on which there is a raw handler.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            scope = cast("HTTPScope", scope)
            if query and scope["method"] == "GET":
                await relay_query(paths[0], query, scope, send)
            else:
                await relay(paths[0], handler, scope, receive, send)
        except CompatError as error:
            await errors.respond(error, scope, send)

    return asgi(list(paths), copy_scope=False)(answer)


def hot_by_model(prefix: str, handlers: Mapping[str, Handler]) -> ASGIRouteHandler:
    """`handlers` by what follows the model in the path: `PREFIX/MODEL/chat/completions`.

    A mount that takes the path apart itself: Litestar finds no raw handler behind a parameter.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        scope = cast("HTTPScope", scope)
        path = scope["raw_path"].decode("ascii", "replace")
        model, _, rest = path.partition(prefix + "/")[2].partition("/")
        try:
            handler = handlers.get("/" + rest)
            if handler is None:
                raise RouteNotFound(f"Invalid URL ({scope['method']} {path})")
            await relay(f"{prefix}/*/{rest}", handler, scope, receive, send, unquote(model))
        except CompatError as error:
            await errors.respond(error, scope, send)

    return asgi(prefix, is_mount=True, copy_scope=True)(answer)


async def relay(
    operation: str,
    handler: Handler,
    scope: HTTPScope,
    receive: Receive,
    send: Send,
    model: str = "",
) -> None:
    if scope["method"] != "POST":
        raise MethodNotAllowed(f"Not allowed to {scope['method']} on {scope['path']}.")
    state: State = scope["litestar_app"].state.compat
    record = record_of(scope)
    record.operation = operation
    try:
        body = await read_body(receive, state.settings.limits.body_bytes)
        answering = handler(Call(body, model), state)
        reply = await unless_caller_leaves(state.loop, receive, answering)
    except CallerLeft:
        record.status = LEFT
        return
    record.model = reply.entry.id
    headers = [
        (b"x-compat-model", reply.entry.id.encode()),
        (b"x-compat-route", b"local" if reply.entry.local else b"backend"),
    ]
    if not isinstance(reply.body, bytes):
        response = FramedEvents(ending_in_error(reply.body, scope), headers)
        try:
            await response(scope, receive, send)  # type: ignore[arg-type]
        finally:
            # Here and not only in the generator: a caller who leaves at once never starts it.
            await reply.body.aclose()
        return
    await send_json(send, 200, reply.body, headers)


async def relay_query(operation: str, query: Query, scope: HTTPScope, send: Send) -> None:
    record_of(scope).operation = operation
    state: State = scope["litestar_app"].state.compat
    await send_json(send, 200, await query(scope["query_string"], state))


async def ending_in_error(events: Events, scope: Scope) -> AsyncIterator[bytes]:
    """What fails after the first byte becomes the stream's last event."""
    record = record_of(scope)
    try:
        async for event in events:
            if not record.first_at:
                record.first_at = time.perf_counter()
            yield event
    except CompatError as error:
        record.failed = error
        yield errors.event(error, scope)
    except Exception as error:  # noqa: BLE001
        failure = EngineFailed("the answer broke off")
        record.failed = error
        yield errors.event(failure, scope)


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises `TooLarge` as soon as it is over `limit` bytes, or `CallerLeft`."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise CallerLeft
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        pieces.append(piece)
        if not message.get("more_body"):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def too_large(limit: int) -> TooLarge:
    return TooLarge(f"Maximum content size limit ({limit} bytes) exceeded.")


async def unless_caller_leaves(
    loop: asyncio.AbstractEventLoop, receive: Receive, answering: Awaitable[Reply]
) -> Reply:
    """Awaits the answer; a caller who leaves cancels it, which stops the engine.

    Raises `CallerLeft`. Most answers are there before anyone could lose patience, so the watch
    starts a little later: a task for every request would cost more than all of the checks.
    """
    me = asyncio.current_task(loop)
    watching: list[asyncio.Task[None]] = []
    left = False

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        if me is not None:
            me.cancel()

    timer = loop.call_later(PATIENCE_SECONDS, lambda: watching.append(loop.create_task(watch())))
    try:
        return await answering
    except asyncio.CancelledError:
        if left:
            raise CallerLeft from None
        raise
    finally:
        timer.cancel()
        for task in watching:
            task.cancel()
