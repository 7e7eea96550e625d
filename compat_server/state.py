"""What the gateway holds while it runs: settings, who answers, the database."""

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import msgspec
from msgspec import Struct

from backends.capabilities import Capability
from backends.engines import Deployment
from backends.models import Model, folder, installed, load_catalogue
from backends.storage.completions import Completions
from backends.storage.database import Database
from compat_server.config import BackendByUrl, ConfigError, Settings
from routing.catalogue import Catalogue, Entry, entry
from routing.dispatch import Dispatch
from routing.health import Readiness

CAPABILITIES = get_args(Capability)


class State(Struct):
    settings: Settings
    dispatch: Dispatch
    database: Database
    completions: Completions
    readiness: Readiness
    # Asking asyncio for it is a system call on Python 3.11: the hot path is handed it.
    loop: asyncio.AbstractEventLoop = msgspec.UNSET  # type: ignore[assignment]


def build(settings: Settings, sockets: Path, database_url: str) -> State:
    """`sockets`: the folder in which local engines listen, one `MODEL.sock` each."""
    entries = [
        *(by_url(backend) for backend in settings.backend),
        *(local(model, settings, sockets) for model in local_models(settings)),
    ]
    catalogue = Catalogue(entries, settings.aliases)
    database = Database(database_url)
    readiness = Readiness(catalogue, {"database": database.healthy})
    return State(settings, Dispatch(catalogue), database, Completions(database), readiness)


def local_models(settings: Settings) -> Iterable[Model]:
    """The installed models that this server runs. Raises `ConfigError` for an unknown name."""
    known = load_catalogue()
    wanted = settings.models
    for name in wanted or ():
        if name not in known:
            raise ConfigError(f"models: {name!r} is not in the catalogue ({', '.join(known)})")
    return [
        model
        for model in installed(known, settings.models_dir)
        if model.capability in CAPABILITIES and (wanted is None or model.id in wanted)
    ]


def local(model: Model, settings: Settings, sockets: Path) -> Entry:
    deployment = Deployment(
        model=model.id,
        capability=model.capability,  # type: ignore[arg-type]  # the catalogue lists more than is served
        engine=model.engine,
        url=f"unix:{socket_of(model, sockets)}",
        context=model.context,
        tools=model.tools,
    )
    made = int(folder(model, settings.models_dir).stat().st_mtime)
    owner = model.repository.partition("/")[0]
    return entry(
        deployment, names=[model.repository], owned_by=owner, created=made, quality=model.quality
    )


def socket_of(model: Model, sockets: Path) -> Path:
    return sockets / f"{model.id}.sock"


def by_url(backend: BackendByUrl) -> Entry:
    key = os.environ.get(backend.api_key_env, "") if backend.api_key_env else ""
    if backend.api_key_env and not key:
        raise ConfigError(f"backend {backend.model!r}: {backend.api_key_env} is not set")
    deployment = Deployment(
        model=backend.model,
        capability=backend.capability,
        engine="openai",
        url=backend.url,
        upstream_model=backend.upstream_model or backend.model,
        context=backend.context,
        headers={"authorization": f"Bearer {key}"} if key else {},
    )
    return entry(
        deployment,
        owned_by=backend.owned_by,
        created=int(time.time()),
        quality=backend.quality,
        local=False,
    )
