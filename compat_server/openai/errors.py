"""Our errors in OpenAI's form: status, headers and `{"error": {message, type, param, code}}`.

All four keys are always there: clients read them. Statuses from 500 on are retried by the SDKs, so
only what may work on a second try has one.
"""

import math
import re
from typing import Any

import msgspec

from backends.errors import (
    CompatError,
    DatabaseUnavailable,
    EngineFailed,
    Forbidden,
    InvalidRequest,
    MethodNotAllowed,
    ModelNotFound,
    NotFound,
    Overloaded,
    RateLimited,
    RouteNotFound,
    TooLarge,
    Unauthenticated,
)

Headers = list[tuple[bytes, bytes]]

STATUS: list[tuple[type[CompatError], int, str, str | None]] = [
    (InvalidRequest, 400, "invalid_request_error", None),
    (TooLarge, 413, "invalid_request_error", None),
    (Unauthenticated, 401, "invalid_request_error", "invalid_api_key"),
    (Forbidden, 403, "invalid_request_error", None),
    (ModelNotFound, 404, "invalid_request_error", "model_not_found"),
    (RouteNotFound, 404, "invalid_request_error", "unknown_url"),
    (NotFound, 404, "invalid_request_error", None),
    (MethodNotAllowed, 405, "invalid_request_error", "method_not_supported"),
    (RateLimited, 429, "requests", "rate_limit_exceeded"),
    (Overloaded, 503, "server_error", None),
    (DatabaseUnavailable, 503, "server_error", None),
    (EngineFailed, 500, "server_error", None),
    (CompatError, 500, "server_error", None),
]
"""The first that fits counts: class, status, `type`, and `code` where the error has none."""


def render(error: CompatError) -> tuple[int, Headers, bytes]:
    """Status, extra headers and body."""
    status, kind, code = next((s, k, c) for cls, s, k, c in STATUS if isinstance(error, cls))
    headers: Headers = []
    if isinstance(error, RateLimited | Overloaded):
        headers.append((b"retry-after", str(math.ceil(error.retry_after)).encode()))
    return status, headers, envelope(error, kind, error.code or code)


def event(error: CompatError) -> bytes:
    """The error as the last event of a stream that has begun."""
    _, _, body = render(error)
    return b"data: " + body + b"\n\n"


def envelope(error: CompatError, kind: str, code: str | None) -> bytes:
    message = error.message
    if isinstance(error, ModelNotFound):
        message = f"The model `{error.model}` does not exist or you do not have access to it."
    return msgspec.json.encode(
        {"error": {"message": message, "type": kind, "param": error.param, "code": code}}
    )


NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
WHERE = re.compile(r"(.*?)(?: - at (?:`key` in )?`\$(.*)`)?", re.DOTALL)
WRONG_TYPE = re.compile(r"Expected `(.+?)`, got `(.+?)`$")
MISSING = re.compile(r"Object missing required field `(.+?)`$")
BOUND = re.compile(r"Expected `(int|float)` (>=|<=|>|<) (\S+)$")
LENGTH = re.compile(r"Expected `(array|str|object)` of length (>=|<=) (\d+)$")
ENUM = re.compile(r"Invalid enum value '?(.*?)'?$")


def invalid(error: msgspec.ValidationError, fields: Any) -> InvalidRequest:
    """msgspec's complaint in the vendor's words, with `param` and `code`."""
    text, path = WHERE.fullmatch(str(error)).groups("")  # type: ignore[union-attr]
    # msgspec writes `[...]` for a value of a map: the map is named.
    param = path.removeprefix(".").partition("[...]")[0]
    if match := MISSING.match(text):
        param = f"{param}.{match[1]}" if param else match[1]
        return missing_parameter(param)
    if match := WRONG_TYPE.match(text):
        wanted = " or ".join(
            dict.fromkeys(NAMES.get(n, n) for n in match[1].split(" | ") if n != "null")
        )
        got = NAMES.get(match[2], match[2])
        return InvalidRequest(
            f"Invalid type for '{param}': expected {wanted}, but got {got} instead.",
            param=param,
            code="invalid_type",
        )
    if match := BOUND.match(text):
        kind, sign, limit = match.groups()
        name = "integer" if kind == "int" else "decimal"
        low = sign.startswith(">")
        side = "below minimum" if low else "above maximum"
        value = found(fields, param)
        if isinstance(value, dict):
            value = next((v for v in value.values() if beyond(v, sign, float(limit))), value)
        return InvalidRequest(
            f"Invalid '{param}': {name} {side} value. Expected a value {sign} {limit}, "
            f"but got {value} instead.",
            param=param,
            code=f"{name}_{side.replace(' ', '_')}_value".replace("minimum", "min").replace(
                "maximum", "max"
            ),
        )
    if match := LENGTH.match(text):
        kind, sign, limit = match.groups()
        name = {"array": "array", "str": "string", "object": "object"}[kind]
        size = len(found(fields, param) or ())
        short = sign == ">="
        word = "short" if short else "long"
        if short and size == 0:
            problem, code = f"empty {name}", f"empty_{name}"
        else:
            problem, code = (
                f"{name} too {word}",
                f"{name}_{'below_min' if short else 'above_max'}_length",
            )
        bound = "minimum" if short else "maximum"
        return InvalidRequest(
            f"Invalid '{param}': {problem}. Expected {NAMES[kind]} with {bound} length {limit}, "
            f"but got {NAMES[kind]} with length {size} instead.",
            param=param,
            code=code,
        )
    if match := ENUM.match(text):
        return InvalidRequest(f"Invalid value: '{match[1]}'.", param=param, code="invalid_value")
    return InvalidRequest(f"Invalid '{param}': {text}.", param=param or None, code="invalid_value")


def missing_parameter(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
    )


def beyond(value: Any, sign: str, limit: float) -> bool:
    """Whether it is what msgspec complained about."""
    if not isinstance(value, int | float):
        return False
    return not {">=": value >= limit, "<=": value <= limit}.get(sign, True)


def found(fields: Any, param: str) -> Any:
    """What the request has at `param` (`messages[0].content`)."""
    for step in re.findall(r"[^.\[\]]+", param):
        try:
            fields = fields[int(step)] if isinstance(fields, list) else fields[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return fields
