"""From any failure to the dialect that has to say it: the one place where that is decided."""

import logging
from types import ModuleType
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.types import Scope, Send

from backends.errors import (
    CompatError,
    EngineFailed,
    InvalidRequest,
    MethodNotAllowed,
    RouteNotFound,
    TooLarge,
)
from compat_server.json_response import send_json
from compat_server.openai import errors as openai

log = logging.getLogger(__name__)


def dialect(scope: Scope) -> ModuleType:
    """The `errors` module of the vendor whose path this is; OpenAI's where nothing else fits."""
    return openai


async def respond(error: CompatError, scope: Scope, send: Send) -> None:
    """Sends the error as a whole response."""
    status, headers, body = dialect(scope).render(error)
    await send_json(send, status, body, headers)


def event(error: CompatError, scope: Scope) -> bytes:
    """The error as the last event of a stream."""
    sent: bytes = dialect(scope).event(error)
    return sent


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler: its own exceptions and ours."""
    status, headers, body = dialect(request.scope).render(as_ours(request, error))
    named = {name.decode(): value.decode() for name, value in headers}
    return Response(body, status_code=status, headers=named, media_type="application/json")


def as_ours(request: Request[Any, Any, Any], error: Exception) -> CompatError:
    if isinstance(error, CompatError):
        return error
    if isinstance(error, NotFoundException):
        return RouteNotFound(f"Invalid URL ({request.method} {request.scope['path']})")
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed(f"Not allowed to {request.method} on {request.scope['path']}.")
    if isinstance(error, HTTPException) and error.status_code == 413:
        return TooLarge("Maximum content size limit exceeded.")
    if isinstance(error, HTTPException) and error.status_code < 500:
        return InvalidRequest(error.detail)
    log.error("unexpected failure at %s", request.scope["path"], exc_info=error)
    return EngineFailed("The server had an error while processing your request.")
