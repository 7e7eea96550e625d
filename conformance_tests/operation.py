"""One operation of a vendor's SDK."""

from typing import NamedTuple


class Operation(NamedTuple):
    """`call`: as the SDK's user writes it, without the client. `path` may be empty (WebSockets)."""

    call: str
    method: str
    path: str

    @property
    def resource(self) -> str:
        """The part of the API it belongs to: `chat`, `beta.threads`."""
        first, *rest = self.call.split(".")
        return f"{first}.{rest[0]}" if first in ("beta", "admin") and len(rest) > 1 else first
