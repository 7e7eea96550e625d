"""Stored completions in a real PostgreSQL."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from backends.local import LocalProcess
from backends.storage.completions import Completions, made_at
from backends.storage.database import Database
from backends.storage.migrate import migrate
from backends.storage.postgres import EmbeddedPostgres

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYTHING: dict[str, Any] = {
    "model": "", "metadata": {}, "after": "", "limit": 100, "order": "asc",
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(server: LocalProcess, postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    await migrate(postgres.url)
    made = Database(postgres.url)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def completions(database: Database) -> Completions:
    async with database.connection() as connection:
        await connection.execute("truncate chat_completions")
    return Completions(database)


async def add(completions: Completions, id: str = "", model: str = "m", **metadata: str) -> str:
    id = id or completions.new_id()
    body = msgspec.json.encode({"id": id, "model": model, "text": "\0 \U0001f30d", "n": 1.50})
    await completions.add(body, b'[{"role":"user"}]', metadata)
    return id


async def ids(completions: Completions, **more: Any) -> list[str]:
    return [stored.id for stored in await completions.list(**{**EVERYTHING, **more})]


async def test_comes_back_as_it_was(completions: Completions) -> None:
    id = await add(completions, a="b")
    found = await completions.get(id)
    assert found is not None
    assert found.completion == {"id": id, "model": "m", "text": "\0 \U0001f30d", "n": 1.5}
    assert list(found.completion) == ["id", "model", "text", "n"]
    assert found.metadata == {"a": "b"}
    assert await completions.messages(id) == [{"role": "user"}]


async def test_same_time_has_a_stable_order(completions: Completions) -> None:
    """Pages of one neither repeat nor leave out any, in both directions."""
    made = sorted([f"chatcmpl-{5:014x}{number:016x}" for number in (9, 10, 11, 255)])
    for id in reversed(made):
        await add(completions, id)
    for order, expected in (("asc", made), ("desc", made[::-1])):
        walked: list[str] = []
        while page := await ids(completions, order=order, limit=1, after=(walked or [""])[-1]):
            walked += page
        assert walked == expected


async def test_place_of_one_that_is_gone(completions: Completions) -> None:
    made = [await add(completions) for _ in range(3)]
    assert await completions.delete(made[1])
    assert await ids(completions, after=made[1]) == made[2:]
    assert await ids(completions, after=made[1], order="desc") == made[:1]


async def test_filters(completions: Completions) -> None:
    one = await add(completions, model="x", kind="a", more="b")
    two = await add(completions, model="y", kind="a")
    assert await ids(completions, metadata={"kind": "a"}) == [one, two]
    assert await ids(completions, metadata={"kind": "a", "more": "b"}) == [one]
    assert await ids(completions, metadata={"kind": "b"}) == []
    assert await ids(completions, model="y", metadata={"kind": "a"}, after=one) == [two]


async def test_what_is_not_there(completions: Completions) -> None:
    id = completions.new_id()
    assert await completions.get(id) is None
    assert await completions.messages(id) is None
    assert await completions.set_metadata(id, {}) is None
    assert not await completions.delete(id)


async def test_another_tenants_is_not_there(completions: Completions, database: Database) -> None:
    id = await add(completions)
    async with database.connection() as connection:
        other = await connection.fetchval("insert into tenants (name) values ('o') returning id")
        await connection.execute("update chat_completions set tenant_id = $1", other)
    assert await completions.get(id) is None
    assert await ids(completions) == []
    assert not await completions.delete(id)


async def test_ids_hold_their_time(completions: Completions) -> None:
    first, second = completions.new_id(), completions.new_id()
    assert first != second
    assert made_at(first) <= made_at(second)
    assert completions.is_id(first)
    for other in ("", "chatcmpl-" + "0" * 32, first + "0", first.upper(), f" {first}"):
        assert not completions.is_id(other)
    with pytest.raises(ValueError, match="no id"):
        made_at("chatcmpl-1")
