"""Lists by the page: `after`, `limit` and `order` in the query, `has_more` in the answer.

The SDKs follow `after=<id of the last>` for as long as `has_more` says so.
"""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct

from backends.errors import InvalidRequest
from compat_server.openai.errors import invalid

NESTED = re.compile(r"(\w+)\[(.*)\]")


class Paging(Struct):
    """What every list takes; those with filters add them."""

    after: str = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "asc"


class Page(Struct):
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: str = "list"


Wanted = TypeVar("Wanted", bound=Paging)


def asked(query: bytes, kind: type[Wanted]) -> Wanted:
    """A query as `kind`; `metadata[key]=value` becomes a dict. Raises `InvalidRequest`."""
    fields: dict[str, Any] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        nested = NESTED.fullmatch(name)
        field = nested[1] if nested else name
        if "\0" in name + value:
            raise InvalidRequest(f"Invalid '{field}': a null character.", param=field)
        if nested:
            inner = fields.setdefault(field, {})
            if isinstance(inner, dict):
                inner[nested[2]] = value
        else:
            fields[name] = value
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error, fields) from None


def page(items: Sequence[Any], limit: int, form: Callable[[Any], dict[str, Any]]) -> Page:
    """Up to `limit` of `items`, which has one more if there is one."""
    data = [form(item) for item in items[:limit]]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return Page(data, first, last, has_more=len(items) > limit)
