"""The pool against a real server that goes away and comes back."""
# ruff: noqa: ASYNC110

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest

from backends.local import LocalProcess
from backends.storage import database as module
from backends.storage.database import Database, DatabaseUnavailable
from backends.storage.postgres import EmbeddedPostgres

pytestmark = pytest.mark.asyncio(loop_scope="module")


def database(postgres: EmbeddedPostgres) -> Database:
    return Database(postgres.url.replace("/compat?", "/postgres?"))


async def test_pool_is_opened_once_and_answers(
    server: LocalProcess, postgres: EmbeddedPostgres
) -> None:
    ours = database(postgres)
    first, second = await asyncio.gather(ours.pool(), ours.pool())
    assert first is second
    assert await first.fetchval("select 6 * 7") == 42
    await ours.close()


async def test_opens_again_after_closing(server: LocalProcess, postgres: EmbeddedPostgres) -> None:
    ours = database(postgres)
    assert await ours.healthy()
    await ours.close()
    assert await ours.healthy()
    await ours.close()


async def test_survives_a_restart_of_the_server(
    server: LocalProcess, postgres: EmbeddedPostgres
) -> None:
    ours = database(postgres)
    pool = await ours.pool()
    assert await ours.healthy()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while await ours.healthy():  # its backends may answer for a moment longer
        pass
    while not await ours.healthy():
        await asyncio.sleep(0.05)
    assert await pool.fetchval("select 1") == 1
    await ours.close()


async def test_server_that_does_not_answer_at_all_is_not_healthy_within_its_time(
    server: LocalProcess, postgres: EmbeddedPostgres
) -> None:
    ours = database(postgres)
    assert await ours.healthy()
    assert server.pid is not None
    connections = await (await ours.pool()).fetch(
        "select pid from pg_stat_activity where backend_type = 'client backend'"
    )
    stopped = [row["pid"] for row in connections]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(10):
            assert not await ours.healthy()
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    while not await ours.healthy():
        await asyncio.sleep(0.05)
    await ours.close()


async def test_query_of_a_server_that_hangs_ends_within_its_time(
    server: LocalProcess, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUERY_SECONDS", 0.5)
    monkeypatch.setattr(module, "POOL_SECONDS", 0.5)
    ours = database(postgres)
    async with ours.connection() as connection:
        stopped = connection.get_server_pid()
    os.kill(stopped, signal.SIGSTOP)
    try:
        async with asyncio.timeout(10):
            with pytest.raises(DatabaseUnavailable):
                async with ours.connection() as connection:
                    await connection.fetchval("select 1")
    finally:
        os.kill(stopped, signal.SIGCONT)
    async with ours.connection() as connection:
        assert await connection.fetchval("select 1") == 1
    await ours.close()


async def test_wrong_statement_is_not_the_servers_fault(
    server: LocalProcess, postgres: EmbeddedPostgres
) -> None:
    ours = database(postgres)
    with pytest.raises(asyncpg.UndefinedTableError):
        async with ours.connection() as connection:
            await connection.fetchval("select * from nowhere")
    await ours.close()


@pytest.mark.parametrize(
    "url", ["postgresql://u@/d?host={}/nowhere", "postgresql://u@127.0.0.1:1/d"]
)
async def test_nobody_there(place: Path, url: str) -> None:
    ours = Database(url.format(place))
    assert not await ours.healthy()
    with pytest.raises(DatabaseUnavailable):
        await ours.pool()
    await ours.close()


async def test_missing_database_is_unavailable(
    server: LocalProcess, postgres: EmbeddedPostgres
) -> None:
    ours = Database(postgres.url.replace("/compat?", "/missing?"))
    with pytest.raises(DatabaseUnavailable):
        await ours.pool()
    assert not await ours.healthy()
