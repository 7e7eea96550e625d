"""The whole contract between the gateway and its engines.

Chat is the one capability without neutral structs: its contract is OpenAI's chat-completions JSON,
because every chat engine and every fallback speaks it already. `ChatRequest.fields` is that JSON,
validated; answers and stream events come back specification-conformant whatever the engine does.
"""

from collections.abc import AsyncIterator
from typing import Any, Literal, Protocol

from msgspec import Struct

Capability = Literal["chat", "embedding"]
ChatOperation = Literal["chat/completions", "completions"]


class ChatRequest(Struct):
    """One chat (or legacy completion) request.

    `model` is the name the caller used and the one that answers carry; the backend puts its
    engine's own name on the way down. `id`: the answer's; empty where the engine's will do.
    """

    operation: ChatOperation
    model: str
    fields: dict[str, Any]
    id: str = ""


class Events(Protocol):
    """A stream of complete SSE events. Whoever asked for it closes it, which stops the engine."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Chat(Protocol):
    """An engine that continues conversations."""

    async def complete(self, request: ChatRequest) -> bytes:
        """The whole answer as JSON. Raises a `CompatError`."""

    async def stream(self, request: ChatRequest) -> Events:
        """The answer's events, several per item when the engine sent several at once.

        Returns once the engine has accepted the request, so that a refusal is still a status code.
        Raises a `CompatError`, also while iterating.
        """


class EmbedRequest(Struct):
    """Each input is a text, or a text as token ids: the model's own, or those of `vocabulary`."""

    inputs: list[str | list[int]]
    dimensions: int | None = None
    vocabulary: str = ""


class Embedded(Struct):
    """`vectors`: float32 little endian, row by row, `len(inputs)` x `dimensions`, unit length."""

    vectors: bytes
    dimensions: int
    tokens: int


class Embed(Protocol):
    """An engine that turns texts into vectors."""

    async def embed(self, request: EmbedRequest) -> Embedded:
        """Raises `ContextTooLong` or `InvalidRequest` (param `input`) or `EngineFailed`."""


class Health(Protocol):
    """What every backend can be asked, whatever it is for."""

    async def healthy(self) -> bool:
        """True if the engine would answer now. Never raises; answers within two seconds."""

    async def close(self) -> None:
        """Give connections back."""
