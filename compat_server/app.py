"""The gateway, and the life of a request from top to bottom.

1. `Recorded`   gives it an id; at the end, one log line and the metrics     record.py
2. `Guard`      is this caller allowed here at all?                         guard.py
3. the router   picks the dialect's handler for the path                    openai/routes.py, …
4. `relay`      (hot paths) reads the body, watches for a caller who leaves  relay.py
5. the handler  checks the vendor's JSON and names what is wrong with it     openai/chat.py, …
6. `Dispatch`   decides which deployment answers                            routing/dispatch.py
7. the backend  talks to its engine, mends what the engine gets wrong        backends/chat/, …
8. `errors`     says what failed, wherever it failed, in the vendor's form   errors.py
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from litestar import Litestar
from litestar.datastructures import State as LitestarState
from litestar.types import ASGIApp

from compat_server import errors, health
from compat_server.config import Settings
from compat_server.guard import Guard
from compat_server.openai import routes as openai
from compat_server.record import Recorded
from compat_server.state import State, build

ROUTES = [*health.ROUTES, *openai.ROUTES]


def create_app(settings: Settings, sockets: Path, database_url: str) -> ASGIApp:
    """The ASGI application. `sockets`: the folder in which local engines listen."""
    state = build(settings, sockets, database_url)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        state.loop = asyncio.get_running_loop()
        yield
        await close(state)

    router = Litestar(
        ROUTES,
        state=LitestarState({"compat": state}),
        exception_handlers={Exception: errors.handle},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=settings.limits.body_bytes,
    )
    return Recorded(Guard(router, settings))


async def close(state: State) -> None:
    for entry in state.dispatch.catalogue.entries:
        await entry.backend.close()
    await state.database.close()
