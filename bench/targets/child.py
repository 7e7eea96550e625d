"""A child process that serves HTTP on a port of 127.0.0.1."""

import http.client
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

STOP_S = 20.0


class Child:
    """A server, its log file, and the wait until it answers."""

    def __init__(self, command: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, env={**os.environ, **(env or {})}
            )

    def wait_ready(self, port: int, path: str, limit_s: float) -> None:
        """Returns when `path` answers 200; fails with the end of the log otherwise."""
        deadline = time.monotonic() + limit_s
        while not answers(port, path):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                end = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.process.args!r} did not start:\n{end}")
            time.sleep(0.005)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends the process, by force if it does not end by itself."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def answers(port: int, path: str) -> bool:
    """Whether a GET of `path` is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
