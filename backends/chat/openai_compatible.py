"""Any server that speaks OpenAI's API: vLLM, TGI, SGLang, Ollama, llama-server, the vendor itself.

Needs a URL (ending in `/v1` as a rule) and, where the server wants one, a key.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from backends.capabilities import ChatRequest, Events
from backends.chat.events import EventRelay, Step, decode, encode
from backends.chat.specification import Conformer, Json
from backends.errors import EngineFailed
from backends.refusals import refusal
from backends.transport import Answer, Transport


class OpenAICompatible:
    """Implements `Chat`. `upstream_model`: the name that the server knows the model by."""

    health_path = "/models"
    prefix = ""
    """What comes before the operation's path; a URL has its `/v1` already."""

    def __init__(self, transport: Transport, *, upstream_model: str) -> None:
        self._transport = transport
        self._upstream_model = upstream_model

    async def complete(self, request: ChatRequest) -> bytes:
        fields, steps = self.prepare(request)
        answer = await self._send(request, fields)
        async with answer:
            body = await answer.read()
        with none_but_answers():
            return conformed(request, decode(body), steps)

    async def stream(self, request: ChatRequest) -> Events:
        fields, steps = self.prepare(request)
        answer = await self._send(request, fields)
        relay = EventRelay(Conformer(request), steps)
        return EventStream(relay.relay(answer.chunks()), answer.aclose)

    async def healthy(self) -> bool:
        return await self._transport.get_status(self.health_path, timeout=2.0) == 200

    async def close(self) -> None:
        await self._transport.close()

    def prepare(self, request: ChatRequest) -> tuple[dict[str, Any], Sequence[Step]]:
        """What to send, and what to do with what comes back before it is conformed."""
        return {**request.fields, "model": self._upstream_model}, ()

    async def _send(self, request: ChatRequest, fields: dict[str, Any]) -> Answer:
        answer = await self._transport.post(f"{self.prefix}/{request.operation}", encode(fields))
        if answer.status != 200:
            async with answer:
                about = "prompt" if request.operation == "completions" else "messages"
                body = await answer.read()
                raise refusal(answer.status, answer.headers, body, about=about)
        return answer


class EventStream:
    """Implements `Events`: an answer's conformed events, closed even if nobody began to read."""

    def __init__(self, events: AsyncIterator[bytes], close: Callable[[], Awaitable[None]]) -> None:
        self._events = events
        self._close = close

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._events

    async def aclose(self) -> None:
        await self._close()


def conformed(request: ChatRequest, whole: Json, steps: Sequence[Step]) -> bytes:
    """An engine's whole answer as the vendor would send it."""
    for step in steps:
        whole = step.answer(whole)
    return encode(Conformer(request).answer(whole))


@contextmanager
def none_but_answers() -> Iterator[None]:
    """An engine may send anything with status 200; what has not the shape is its failure."""
    try:
        yield
    except (msgspec.DecodeError, AttributeError, IndexError, KeyError, TypeError) as error:
        raise EngineFailed("the engine answered with something that is no answer") from error
