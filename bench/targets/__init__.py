"""What can be measured: one small file per gateway, all with the same interface."""

from dataclasses import dataclass
from typing import Protocol

# Optional abilities; plain chat and streams are expected of everyone.
EMBEDDINGS = "embeddings"
RENAME = "rename"
# The model a client asks for where the gateway must rename the model in every chunk.
RENAMED_MODEL = "fake-renamed"


class UnavailableError(Exception):
    """The target is not installed here; the message says how to install it."""


@dataclass(frozen=True)
class Running:
    """A target that answers."""

    url: str  # without /v1
    pids: tuple[int, ...]  # the processes whose CPU time and memory count


class Target(Protocol):
    """A gateway to measure."""

    name: str
    abilities: frozenset[str]

    def version(self) -> str:
        """Its version; raises UnavailableError if it is not installed."""
        ...

    def start(self, engine_url: str) -> Running:
        """Starts it in front of the engine (URL without /v1); returns when it answers."""
        ...

    def stop(self) -> None:
        """Ends it and waits for that."""
        ...
