"""A JSON request body, checked before anything is done with it."""

import re
from typing import Any

import msgspec

from backends.errors import InvalidRequest

UNREADABLE = (
    "We could not parse the JSON body of your request: {reason}. "
    "The API expects a JSON object; make sure the client sends one."
)

TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
MOST_TOKENS = 1_000_000
"""Strings and brackets a body may have: a few bytes of JSON each are a hundred in memory."""

decoder = msgspec.json.Decoder()


def decode(body: bytes, *, depth: int) -> dict[str, Any]:
    """The body as an object. Raises `InvalidRequest`; `depth`: levels of nesting allowed."""
    # Counting brackets is cheap and never too low; only a suspect body is looked at closely.
    if body.count(b"[") + body.count(b"{") > depth:
        check_structure(body, depth)
    try:
        fields = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error) if body else "it is empty"
        raise InvalidRequest(UNREADABLE.format(reason=reason)) from error
    if not isinstance(fields, dict):
        raise InvalidRequest(UNREADABLE.format(reason="it is not an object"))
    return fields


def check_structure(body: bytes, depth: int) -> None:
    """Raises `InvalidRequest` at the first bracket that is too deep, or too many."""
    level = 0
    for number, token in enumerate(TOKENS.finditer(body)):
        mark = body[token.start()]
        if mark in b"[{":
            level += 1
            if level > depth:
                reason = f"it is nested deeper than {depth} levels"
                raise InvalidRequest(UNREADABLE.format(reason=reason))
        elif mark in b"]}":
            level -= 1
        if number > MOST_TOKENS:
            raise InvalidRequest(UNREADABLE.format(reason=f"it has over {MOST_TOKENS} values"))
