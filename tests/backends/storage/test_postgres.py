"""The embedded PostgreSQL, started, killed and started again."""
# ruff: noqa: ASYNC110, ASYNC220

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from backends.local import LocalProcess
from backends.storage import postgres as module
from backends.storage.postgres import EmbeddedPostgres, PostgresUnavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def query(postgres: EmbeddedPostgres, sql: str) -> Any:
    connection = await asyncpg.connect(postgres.url, database="postgres", timeout=10)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def eventually(condition: Callable[[], Any], seconds: float = 20) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"not within {seconds} s"
        await asyncio.sleep(0.05)


async def test_it_is_version_18_with_pgvector(
    server: LocalProcess, postgres: EmbeddedPostgres
) -> None:
    assert (await query(postgres, "show server_version")).startswith("18")
    await query(postgres, "create extension vector")
    distance = "select round(('[1,0]'::vector <=> '[0,1]')::numeric, 3)::float"
    assert await query(postgres, distance) == 1.0
    await query(postgres, "create table points (at halfvec(3))")
    await query(postgres, "create index on points using hnsw (at halfvec_cosine_ops)")


async def test_it_listens_on_its_socket_only(server: LocalProcess, place: Path) -> None:
    assert server.pid is not None
    assert not psutil.Process(server.pid).net_connections("inet")
    assert (place / "s").stat().st_mode & 0o077 == 0
    assert (place / "data").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands it to another user")
async def test_run_as_root_it_belongs_to_an_unprivileged_user(server: LocalProcess) -> None:
    assert server.pid is not None
    owner = psutil.Process(server.pid).uids().real
    assert pwd.getpwuid(owner).pw_name in ("postgres", "nobody")
    assert psutil.Process(server.pid).gids().real != 0


async def test_writes_are_durable(server: LocalProcess, postgres: EmbeddedPostgres) -> None:
    assert await query(postgres, "show fsync") == "on"
    assert await query(postgres, "show synchronous_commit") == "on"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_killed_server_is_back_with_its_data(
    server: LocalProcess, postgres: EmbeddedPostgres, how: signal.Signals
) -> None:
    await query(postgres, f"create table kept_{how} as select 42 as n")
    first = server.pid
    assert first is not None
    os.kill(first, how)
    await eventually(lambda: server.pid not in (None, first))
    while not await postgres.healthy():
        await asyncio.sleep(0.05)
    assert await query(postgres, f"select n from kept_{how}") == 42


async def test_server_left_behind_is_ended_before_a_new_one_starts(place: Path) -> None:
    left = EmbeddedPostgres(place / "left", place / "l")
    program = left.program()
    left.prepare()
    orphan = subprocess.Popen(
        program.command, preexec_fn=program.in_child, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not await left.healthy():
        await asyncio.sleep(0.05)
    fresh = LocalProcess(program, place / "left.log")
    starting = asyncio.create_task(fresh.start())
    # Its parent is this test, not `init`, which would take it away as soon as it ended.
    await asyncio.to_thread(orphan.wait, 20)
    await starting
    await fresh.wait_healthy(60)
    assert fresh.pid not in (None, orphan.pid)
    await fresh.stop()
    shutil.rmtree(place / "left")


async def test_pid_file_that_names_another_program_by_now_harms_nobody(
    server: LocalProcess, place: Path
) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    stale = EmbeddedPostgres(place / "stale", place / "t")
    stale.prepare()
    pid_file = place / "stale" / "postmaster.pid"
    pid_file.write_text(f"{other.pid}\n{place}/stale\n1700000000\n5432\n{place}/t\n\n")
    shutil.chown(pid_file, (place / "stale").stat().st_uid)
    try:
        process = LocalProcess(stale.program(), place / "stale.log")
        await process.start()
        await process.wait_healthy(60)
        await process.stop()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


async def test_half_made_cluster_is_made_anew(place: Path) -> None:
    (place / "half.new" / "base").mkdir(parents=True)
    half = EmbeddedPostgres(place / "half", place / "h")
    half.prepare()
    assert (place / "half" / "PG_VERSION").exists()
    assert not (place / "half.new").exists()


async def test_graceful_stop_leaves_no_pid_file_and_no_process(place: Path) -> None:
    postgres = EmbeddedPostgres(place / "half", place / "h")
    process = LocalProcess(postgres.program(), place / "half.log")
    await process.start()
    await process.wait_healthy(60)
    assert process.pid is not None
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children()]
    await process.stop()
    assert not (place / "half" / "postmaster.pid").exists()
    assert not [p for p in tree if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands it to another user")
async def test_folder_that_its_user_cannot_enter_is_named(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    with pytest.raises(PostgresUnavailable, match=r"cannot enter .*COMPAT_HOME"):
        EmbeddedPostgres(hidden / "data", tmp_path / "s").prepare()


async def test_missing_wheel_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PostgresUnavailable, match="DATABASE_URL"):
        EmbeddedPostgres(Path("data"), Path("s"))
