"""The gateway's application in this process, in front of a fake engine on a socket."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.types import ASGIApp

from compat_server.app import create_app
from compat_server.config import BackendByUrl, Limits, Settings
from tests.fakes.fake_openai_engine import FakeEngine

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as fake:
        yield fake


@pytest.fixture
def settings(engine: FakeEngine) -> Settings:
    backends = [
        BackendByUrl("chatty", "chat", engine.url, upstream_model="upstream"),
        BackendByUrl("vectors", "embedding", engine.url),
    ]
    return Settings(models=[], backend=backends, limits=Limits(body_bytes=20_000))


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[ASGIApp]:
    """Started and stopped as uvicorn would."""
    made = create_app(settings, Path("/nowhere"), NOWHERE)
    to_app: asyncio.Queue[Any] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    scope: Any = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    running = asyncio.ensure_future(made(scope, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    yield made
    await to_app.put({"type": "lifespan.shutdown"})
    assert (await from_app.get())["type"] == "lifespan.shutdown.complete"
    await running


@pytest.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as made:
        yield made
