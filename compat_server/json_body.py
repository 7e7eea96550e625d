"""A JSON request body, checked before anything is done with it."""

from typing import Any

import msgspec

from backends.errors import InvalidRequest

UNREADABLE = (
    "We could not parse the JSON body of your request: {reason}. "
    "The API expects a JSON object; make sure the client sends one."
)

decoder = msgspec.json.Decoder()


def decode(body: bytes, *, depth: int) -> dict[str, Any]:
    """The body as an object. Raises `InvalidRequest`; `depth`: levels of nesting allowed."""
    # Counting brackets is cheap and never too low; only a suspect body is looked at closely.
    if body.count(b"[") + body.count(b"{") > depth and nesting(body) > depth:
        raise InvalidRequest(UNREADABLE.format(reason=f"it is nested deeper than {depth} levels"))
    try:
        fields = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error) if body else "it is empty"
        raise InvalidRequest(UNREADABLE.format(reason=reason)) from error
    if not isinstance(fields, dict):
        raise InvalidRequest(UNREADABLE.format(reason="it is not an object"))
    return fields


def nesting(body: bytes) -> int:
    """The deepest level of brackets outside of strings."""
    level = deepest = 0
    in_string = escaped = False
    for byte in body:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in (0x7B, 0x5B):
            level += 1
            deepest = max(deepest, level)
        elif byte in (0x7D, 0x5D):
            level -= 1
    return deepest
