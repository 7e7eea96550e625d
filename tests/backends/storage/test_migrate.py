"""Migrations against the real server, over its socket and over TCP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from backends.local import LocalProcess
from backends.storage import migrate as migrations
from backends.storage.migrate import MIGRATIONS, MigrationFailed, dbmate_url, migrate
from backends.storage.postgres import EmbeddedPostgres

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tcp(place: Path) -> AsyncIterator[int]:
    """The port of a server that others could reach, without TLS, as on a private network."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    program = EmbeddedPostgres(place / "tcp", place / "t").program()
    program.command = [
        part.replace("listen_addresses=", "listen_addresses=127.0.0.1") for part in program.command
    ] + ["-p", str(port)]
    url = f"postgresql://compat@127.0.0.1:{port}/postgres"

    async def healthy() -> bool:
        try:
            await (await asyncpg.connect(url, timeout=2)).close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    process = LocalProcess(msgspec.structs.replace(program, healthy=healthy), place / "tcp.log")
    await process.start()
    await process.wait_healthy(60)
    yield port
    await process.stop()


async def value(url: str, sql: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def expected() -> list[str]:
    return sorted(file.name.split("_")[0] for file in MIGRATIONS.glob("*.sql"))


APPLIED = "select array_agg(version order by version) from schema_migrations"


async def test_two_at_once_then_twice_in_a_row(
    server: LocalProcess, postgres: EmbeddedPostgres
) -> None:
    await asyncio.gather(*(migrate(postgres.url) for _ in range(2)))
    assert await value(postgres.url, APPLIED) == expected()
    await migrate(postgres.url)
    assert await value(postgres.url, APPLIED) == expected()
    assert await value(postgres.url, "select count(*) from tenants where name = 'default'") == 1


async def test_every_table_has_a_tenant(server: LocalProcess, postgres: EmbeddedPostgres) -> None:
    await migrate(postgres.url)
    lonely = await value(
        postgres.url,
        """
        select array_agg(t.table_name::text) from information_schema.tables t
        where t.table_schema = 'public' and t.table_name not in ('schema_migrations', 'tenants')
          and not exists (select from information_schema.columns c
                          where c.table_name = t.table_name and c.column_name = 'tenant')
          and not exists (select from information_schema.columns c
                          where c.table_name = t.table_name and c.column_name = 'tenant_id')
        """,
    )
    assert lonely is None


async def test_vector_type_is_there(server: LocalProcess, postgres: EmbeddedPostgres) -> None:
    await migrate(postgres.url)
    assert await value(postgres.url, "select '[1,2]'::vector <-> '[1,2]'::vector") == 0


@pytest.mark.parametrize("query", ["", "?sslmode=disable", "?sslmode=prefer"])
async def test_database_of_ones_own_over_tcp_without_tls(tcp: int, query: str) -> None:
    url = f"postgresql://compat:secret@127.0.0.1:{tcp}/other{len(query)}"
    await migrate(url + query)
    assert await value(url, APPLIED) == expected()


async def test_failure_says_why_and_keeps_the_password(tcp: int) -> None:
    url = f"postgresql://nobody-known:secret@127.0.0.1:{tcp}/other"
    with pytest.raises(MigrationFailed, match="nobody-known") as failed:
        await migrate(url)
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize("url", ["mysql://u@h/d", "postgresql://u@h:port/d", "h/d", "nonsense"])
async def test_address_that_is_none(url: str) -> None:
    with pytest.raises(MigrationFailed):
        await migrate(url)


async def test_nobody_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "WAIT_SECONDS", 1)
    with pytest.raises(MigrationFailed):
        await migrate(f"postgresql://compat@/compat?host={place}/nowhere")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("postgresql://u@/d?host=/run/pg", "postgresql://u@/d?socket=/run/pg"),
        ("postgres://u:p%40w@h:5433/d?sslmode=require", None),
        ("postgres://u@h/d?host=other", None),
    ],
)
async def test_url_as_dbmate_spells_it(ours: str, theirs: str | None) -> None:
    assert dbmate_url(ours) == (theirs or ours)
