"""A server as a user starts it: the command, a port, a home, a configuration."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import psutil

from backends.child import end_with_parent
from conformance_tests.wire import Wire

SMALL = """\
models = ["smollm2-135m-instruct", "bge-small-en-v1.5"]

[limits]
body_bytes = 1000000
"""
"""The two small models, and a limit that a test can exceed without sending much."""

START_SECONDS = 120.0
STOP_SECONDS = 60.0


class LiveServer:
    """`with LiveServer() as server:` runs one, and sees to it that nothing of it is left."""

    def __init__(self, *, config: str = SMALL, env: Mapping[str, str] | None = None) -> None:
        # Not pytest's tmp_path: run as root, the database is an unprivileged user's and has to be
        # able to enter every folder above its own.
        self.folder = Path(tempfile.mkdtemp(prefix="compat-test-"))
        self.folder.chmod(0o755)
        self.home = self.folder / "home"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.wire = Wire("127.0.0.1", self.port)
        self._config = config
        self._env = env or {}
        self._log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        file = self.folder / "config.toml"
        file.write_text(self._config)
        models = {k: v for k, v in os.environ.items() if k == "COMPAT_MODELS"}
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("COMPAT_", "DATABASE_URL"))
        }
        environment = {
            **inherited,
            **models,
            "COMPAT_PORT": str(self.port),
            "COMPAT_HOME": str(self.home),
            "COMPAT_CONFIG": str(file),
            **self._env,
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "compat_server", "serve"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: end_with_parent(signal.SIGINT),
            )
        try:
            eventually(self.ready, START_SECONDS, self._still_runs)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        status, left = self.stop()
        assert status == 0, f"ended with status {status}:\n{self.log()}"
        assert not left, f"still there after it ended: {left}"
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> tuple[int, list[psutil.Process]]:
        """Ctrl-C. Gives the exit status and the processes that outlived it."""
        assert self._process is not None
        processes = self.processes()
        self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        _, left = psutil.wait_procs(processes, timeout=5)
        return status, left

    def kill(self) -> None:
        """`kill -9` of the command's own process; the others have to notice."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def described(self) -> dict[str, Any]:
        """`server.json`: pids by role, sockets."""
        content: dict[str, Any] = msgspec.json.decode((self.home / "server.json").read_bytes())
        return content

    def engine(self, model: str) -> psutil.Process:
        return psutil.Process(self.described()["engines"][model])

    def processes(self) -> list[psutil.Process]:
        """The command's process and all below it, and those that `server.json` names besides."""
        assert self._process is not None
        found: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(self._process.pid)
            found = [top, *top.children(recursive=True)]
        said = self.described() if (self.home / "server.json").exists() else {}
        named = [*said.get("gateways", ()), *said.get("engines", {}).values(), said.get("postgres")]
        for pid in set(named) - {process.pid for process in found} - {None}:
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        return found

    def pids(self) -> list[int]:
        return [process.pid for process in self.processes()]

    def ready(self) -> bool:
        with contextlib.suppress(OSError):
            return self.wire.get("/health/ready").status == 200
        return False

    def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        lines = self.wire.get("/metrics").body.decode().splitlines()
        samples = [line.rsplit(" ", 1) for line in lines if line.startswith(name)]
        return sum(float(value) for _, value in samples)

    def log(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]

    def _still_runs(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, f"it ended while starting:\n{self.log()}"


def eventually(
    condition: Callable[[], bool], seconds: float, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Waits until `condition` holds; the limit is generous, for slow machines."""
    give_up = time.monotonic() + seconds
    while not condition():
        meanwhile()
        assert time.monotonic() < give_up, f"not within {seconds} s"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
