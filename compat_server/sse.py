"""Server-sent events to the caller: sse-starlette, fed with events that are framed already."""

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse
from starlette.types import Message, Send

PING_SECONDS = 15
"""Comment lines keep proxies from closing a stream while a long prompt is read."""


class FramedEvents(EventSourceResponse):
    """`events`: complete events as bytes, any number at a time."""

    def __init__(self, events: AsyncIterator[bytes], headers: list[tuple[bytes, bytes]]) -> None:
        super().__init__(events, headers={"cache-control": "no-cache"}, ping=PING_SECONDS, sep="\n")
        self.raw_headers += headers

    async def _send_with_timeout(self, send: Send, message: Message) -> None:
        # There is no timeout, and the scope that the library opens for it all the same costs more
        # than everything else that happens to an event here (bench: "SSE paced").
        await send(message)
