"""A request's body as the resource's struct, and as the JSON that goes to the engine."""

from typing import Any, TypeVar

import msgspec

from compat_server.json_body import decode
from compat_server.openai.errors import invalid
from compat_server.relay import Call
from compat_server.state import State

T = TypeVar("T")


def read(call: Call, state: State, kind: type[T]) -> tuple[T, dict[str, Any]]:
    """Raises `InvalidRequest` in the vendor's words. Azure's path names the model for the body."""
    fields = decode(call.body, depth=state.settings.limits.json_depth)
    if call.model:
        fields["model"] = call.model
    try:
        return msgspec.convert(fields, kind), fields
    except msgspec.ValidationError as error:
        raise invalid(error, fields) from None
