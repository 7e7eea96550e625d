"""Chat completions asked for with `store: true`: in the database before they are acknowledged."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from backends.capabilities import ChatRequest, Events
from compat_server.openai.assembled import Assembled
from compat_server.openai.metadata import checked
from compat_server.relay import Reply
from compat_server.state import State

DONE = b"data: [DONE]\n\n"

encode = msgspec.json.Encoder().encode


async def create(model: str, fields: dict[str, Any], state: State) -> Reply:
    """As `chat.create`, for a request that has been checked. Raises a `CompatError`."""
    metadata = checked(fields.get("metadata"))
    # Kept here, so not the engine's business: another vendor would keep a copy or refuse.
    asked = {name: value for name, value in fields.items() if name not in ("store", "metadata")}
    # Engines number their answers as they like; this one has to be found again by its id.
    request = ChatRequest("chat/completions", model, asked, id=state.completions.new_id())
    if fields.get("stream"):
        entry, events = await state.dispatch.stream(request)
        return Reply(Storing(events, encode(fields["messages"]), metadata, state), entry)
    entry, body = await state.dispatch.complete(request)
    await state.completions.add(body, encode(fields["messages"]), metadata)
    return Reply(body, entry)


class Storing:
    """Implements `Events`: a stream as it is, whose `[DONE]` waits until it is stored."""

    def __init__(
        self, events: Events, messages: bytes, metadata: Mapping[str, str], state: State
    ) -> None:
        self._events = events
        self._messages = messages
        self._metadata = metadata
        self._state = state

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assembled = Assembled()
        async for events in self._events:
            assembled.add(events)
            if not events.endswith(DONE):
                yield events
                continue
            if said := events.removesuffix(DONE):
                yield said
            completion = encode(assembled.completion())
            await self._state.completions.add(completion, self._messages, self._metadata)
            yield DONE

    async def aclose(self) -> None:
        await self._events.aclose()
