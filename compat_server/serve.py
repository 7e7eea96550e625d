"""`compat-server serve`: everything that has to run, started in order and kept running.

PostgreSQL, then its migrations; the engines meanwhile; then the gateways. This process only
supervises: it answers no request, and whatever ends is started again.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from backends.engines import start_command
from backends.local import LocalProcess, Program
from backends.models import Model, folder
from backends.storage.migrate import migrate
from backends.storage.postgres import EmbeddedPostgres
from backends.transport import Transport
from compat_server.config import ConfigError, Settings
from compat_server.guard import check_binding
from compat_server.state import build, local_models, socket_of

log = logging.getLogger(__name__)

Ready = Callable[[Settings, list[Model]], None]

START_SECONDS = 120.0
"""The longest that an engine may take to load its model."""


class Server:
    """All processes of one server. `home`, port and lock are its own; many run side by side."""

    def __init__(self, settings: Settings, sockets: Path, listener: socket.socket) -> None:
        self._settings = settings
        self._sockets = sockets
        self._listener = listener
        self._logs = settings.home / "logs"
        self.models = list(local_models(settings))
        # Also finds what is wrong with aliases and backends, before anything is started.
        self._catalogue = build(settings, sockets, "").dispatch.catalogue
        self._engines: dict[str, LocalProcess] = {}
        self._gateways: list[LocalProcess] = []
        self._postgres: LocalProcess | None = None
        self._database = ""
        self._front = front(listener)

    async def start(self) -> None:
        """Returns once every enabled capability answers. Raises what the first failure was."""
        for model in self.models:
            self._engines[model.id] = await self._run(self._engine(model))
        self._database = self._settings.database_url or await self._start_postgres()
        await migrate(self._database)
        for number in range(self._settings.workers):
            self._gateways.append(await self._run(self._gateway(number)))
        self._describe()
        for process in [*self._engines.values(), *self._gateways]:
            await process.wait_healthy(START_SECONDS)
        self._describe()

    async def stop(self) -> None:
        """Gateways first, so that what they are saying can be finished; the database last."""
        await self._front.close()
        await asyncio.gather(*(entry.backend.close() for entry in self._catalogue.entries))
        await asyncio.gather(*(gateway.stop() for gateway in self._gateways))
        await asyncio.gather(*(engine.stop() for engine in self._engines.values()))
        if self._postgres is not None:
            await self._postgres.stop()
        (self._settings.home / "server.json").unlink(missing_ok=True)

    async def _run(self, program: Program) -> LocalProcess:
        process = LocalProcess(program, self._logs / f"{program.name}.log", self._describe)
        await process.start()
        return process

    async def _start_postgres(self) -> str:
        postgres = EmbeddedPostgres(self._settings.home / "postgres", self._sockets / "pg")
        self._postgres = await self._run(postgres.program())
        await self._postgres.wait_healthy(30.0)
        return postgres.url

    def _engine(self, model: Model) -> Program:
        command = start_command(
            model, folder(model, self._settings.models_dir), socket_of(model, self._sockets)
        )
        return Program(model.id, command, self._catalogue.find(model.id).backend.healthy)

    def _gateway(self, number: int) -> Program:
        return Program(
            name=f"gateway-{number}",
            command=[sys.executable, "-m", "compat_server.gateway"],
            healthy=self._gateway_healthy,
            environment={
                "COMPAT_LISTENER": str(self._listener.fileno()),
                "COMPAT_SOCKETS": str(self._sockets),
                "COMPAT_DATABASE": self._database,
            },
            pass_fds=[self._listener.fileno()],
            stop_seconds=15.0,
        )

    async def _gateway_healthy(self) -> bool:
        """Backends by URL are their owner's to start: they are not waited for."""
        status = await self._front.get_status("/health/ready", timeout=3.0)
        return status == 200 or (status == 503 and bool(self._settings.backend))

    def _describe(self) -> None:
        """`server.json`: what runs where, for scripts and for cleaning up after a hard kill."""
        described = {
            "pid": os.getpid(),
            "url": self._settings.url,
            "gateways": [gateway.pid for gateway in self._gateways],
            "engines": {name: engine.pid for name, engine in self._engines.items()},
            "postgres": self._postgres.pid if self._postgres else None,
            "database": self._database if self._postgres else None,
            "sockets": str(self._sockets),
        }
        write(self._settings.home / "server.json", described)


async def run(settings: Settings, ready: Ready) -> None:
    """Serves until Ctrl-C or SIGTERM. `ready` is called once everything answers."""
    check_binding(settings)
    with exclusive(settings.home), runtime_folder(settings.home) as sockets:
        listener = listen(settings)
        server = Server(settings, sockets, listener)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        starting = asyncio.create_task(server.start())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                ready(settings, server.models)
                await stopping
                log.warning("stopping: answers that have begun are finished first")
        finally:
            for task in (starting, stopping):
                task.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
            await server.stop()
            listener.close()


def front(listener: socket.socket) -> Transport:
    """To our own gateways, on whatever address they listen."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return Transport(f"http://{host}:{port}", engine="gateway")


@contextmanager
def exclusive(home: Path) -> Iterator[None]:
    """Two servers in one home would share a database cluster. Raises `ConfigError`."""
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / "server.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(
            f"another server is running in {home}. Stop it, or set COMPAT_HOME and COMPAT_PORT for "
            "a second one."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def runtime_folder(home: Path) -> Iterator[Path]:
    """A folder with a short path for unix sockets, which may have 107 bytes at most."""
    with contextlib.suppress(OSError, msgspec.DecodeError, KeyError):
        left = Path(msgspec.json.decode((home / "server.json").read_bytes())["sockets"])
        # Left by a server that was killed: the lock says that it runs no more.
        if left.name.startswith("compat-"):
            shutil.rmtree(left, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix="compat-"))
    # The database's unprivileged user has to pass through; the sockets have modes of their own.
    place.chmod(0o711)
    write(home / "server.json", {"sockets": str(place)})
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def write(path: Path, described: dict[str, object]) -> None:
    """As JSON, in one step: a reader sees the old file or the new one."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(described)))
    fresh.replace(path)


def listen(settings: Settings) -> socket.socket:
    """The listening socket that all gateways inherit. Raises `ConfigError` if the port is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}). "
            "Set COMPAT_PORT to another port."
        ) from error
    listener.listen(2048)
    listener.set_inheritable(True)
    return listener
