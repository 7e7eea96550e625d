"""Processes on this machine that have to be running: engines, PostgreSQL, the gateways.

Each is a direct child in a session of its own (Ctrl-C reaches only us, so the order of stopping is
ours), is restarted with growing pauses when it ends, and writes to a log file of its own.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from backends.child import PARENT, end_with_parent

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
STABLE_SECONDS = 30.0
"""A process that ran this long did not die of its start: its next pause is the first again."""


class Program(Struct):
    """What to run. `healthy` says whether it answers; `prepare` runs before every start."""

    name: str
    command: Sequence[str]
    healthy: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = {}
    prepare: Callable[[], None] | None = None
    in_child: Callable[[], None] = end_with_parent
    """Runs in the new process before the program: user, death signal. Must not allocate much."""
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10.0
    pass_fds: Sequence[int] = ()


class ProgramEnded(Exception):
    """A program ended before it ever became healthy; the message quotes the end of its log."""


class LocalProcess:
    """One program, kept running until `stop`."""

    def __init__(
        self, program: Program, log_file: Path, on_restart: Callable[[], None] = lambda: None
    ) -> None:
        self.program = program
        self._on_restart = on_restart
        self.restarts = 0
        self._log_file = log_file
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Returns once the process exists; `wait_healthy` says when it answers."""
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        self._log_file.write_bytes(b"")
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    async def wait_healthy(self, seconds: float) -> None:
        """Raises `ProgramEnded` if it dies twice or does not answer within `seconds`."""
        give_up = time.monotonic() + seconds
        restarts = self.restarts
        while time.monotonic() < give_up and self.restarts < restarts + 2:
            if await self.program.healthy():
                return
            await asyncio.sleep(0.05)
        raise ProgramEnded(f"{self.program.name} did not start:\n{self.last_words()}")

    async def stop(self) -> None:
        self._stopping = True
        if self._keeper is not None:
            self._keeper.cancel()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(self.program.stop_signal)
        try:
            await asyncio.wait_for(process.wait(), self.program.stop_seconds)
        except TimeoutError:
            log.warning("%s did not stop, killing it", self.program.name)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def last_words(self, lines: int = 12) -> str:
        """The end of its log."""
        try:
            text = self._log_file.read_text(errors="replace")
        except OSError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:]) + f"\n(whole log: {self._log_file})"

    async def _spawn(self) -> None:
        program = self.program
        if program.prepare is not None:
            program.prepare()
        with self._log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, PARENT: str(os.getpid()), **program.environment},
                preexec_fn=program.in_child,
                start_new_session=True,
                pass_fds=program.pass_fds,
            )

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while self._process is not None:
            started = time.monotonic()
            status = await self._process.wait()
            if self._stopping:
                return
            if time.monotonic() - started > STABLE_SECONDS:
                pause = FIRST_PAUSE
            log.warning("%s ended with status %s, restarting it", self.program.name, status)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            self.restarts += 1
            while not await self._respawned():  # noqa: ASYNC110
                await asyncio.sleep(pause)

    async def _respawned(self) -> bool:
        """Whatever keeps it from starting (a full disk, say) may pass: said, and tried again."""
        try:
            await self._spawn()
        except Exception:
            log.exception("%s cannot be started again", self.program.name)
            return False
        self._on_restart()
        return True
