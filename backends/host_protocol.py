"""What engine host and gateway agree on, apart from the structs of `capabilities.py`."""

from msgspec import Struct

ERROR_STATUS = 422
"""The body is a `Failure`; any other status than 200 means that the host itself went wrong."""


class Failure(Struct):
    """A `CompatError` on its way from the engine process to the gateway."""

    kind: str
    message: str
    param: str | None = None
    code: str | None = None
