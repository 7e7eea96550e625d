"""Stored chat completions.

An id begins with the time at which it was made, so that it marks its place in a list even when what
it named has been deleted: callers delete what they list while they list it.
"""

import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from msgspec import Struct

from backends.storage.database import Database
from backends.storage.tenants import DEFAULT_TENANT

Json = dict[str, Any]

ID = re.compile(r"chatcmpl-([0-9a-f]{14})[0-9a-f]{16}")
"""Microseconds since 1970, then chance."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

decode = msgspec.json.decode


class StoredCompletion(Struct):
    """`completion` and `messages` as they went over the wire."""

    id: str
    completion: Json
    metadata: dict[str, str]


class Completions:
    """One table. Everything raises `DatabaseUnavailable`; what is not there is None or False."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def new_id(self) -> str:
        return f"chatcmpl-{time.time_ns() // 1000:014x}{secrets.token_hex(8)}"

    def is_id(self, text: str) -> bool:
        """Whether it may name something here, now or once."""
        return ID.fullmatch(text) is not None

    async def add(self, completion: bytes, messages: bytes, metadata: Mapping[str, str]) -> None:
        """Returns once it is durable. `completion` has one of our ids."""
        head = decode(completion)
        async with self._database.connection() as connection:
            await connection.execute(
                "insert into chat_completions"
                " (tenant_id, id, created_at, model, metadata, completion, messages)"
                " values ($1, $2, $3, $4, $5, $6, $7)",
                *(DEFAULT_TENANT, head["id"], made_at(head["id"]), head["model"]),
                *(encode(metadata), completion.decode(), messages.decode()),
            )

    async def get(self, id: str) -> StoredCompletion | None:
        sql = "select * from chat_completions where tenant_id = $1 and id = $2"
        return await self._one(sql, id)

    async def set_metadata(self, id: str, metadata: Mapping[str, str]) -> StoredCompletion | None:
        """The completion as it is from now on."""
        sql = (
            "update chat_completions set metadata = $3 where tenant_id = $1 and id = $2 returning *"
        )
        return await self._one(sql, id, encode(metadata))

    async def delete(self, id: str) -> bool:
        sql = "delete from chat_completions where tenant_id = $1 and id = $2 returning true"
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(sql, DEFAULT_TENANT, id))

    async def messages(self, id: str) -> list[Json] | None:
        """Those of the request."""
        sql = "select messages from chat_completions where tenant_id = $1 and id = $2"
        async with self._database.connection() as connection:
            found = await connection.fetchval(sql, DEFAULT_TENANT, id)
        return None if found is None else decode(found, type=list[Json])

    async def list(
        self,
        *,
        model: str,
        metadata: Mapping[str, str],
        after: str,
        limit: int,
        order: Literal["asc", "desc"],
    ) -> list[StoredCompletion]:
        """In the order in which they were made. Empty filters let everything through."""
        given: list[Any] = [DEFAULT_TENANT]
        conditions = ["tenant_id = $1"]

        def where(condition: str, *values: Any) -> None:
            numbers = range(len(given) + 1, len(given) + len(values) + 1)
            conditions.append(condition.format(*(f"${number}" for number in numbers)))
            given.extend(values)

        if model:
            where("model = {}", model)
        if metadata:
            where("metadata @> {}", encode(metadata))
        if after:
            sign = "<" if order == "desc" else ">"
            where(f"(created_at, id) {sign} ({{}}, {{}})", made_at(after), after)
        sql = (
            f"select * from chat_completions where {' and '.join(conditions)}"
            f" order by created_at {order}, id {order} limit {limit}"
        )
        async with self._database.connection() as connection:
            return [stored(row) for row in await connection.fetch(sql, *given)]

    async def _one(self, sql: str, *given: Any) -> StoredCompletion | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(sql, DEFAULT_TENANT, *given)
        return None if row is None else stored(row)


def made_at(id: str) -> datetime:
    """The time in an id, exactly."""
    match = ID.fullmatch(id)
    if match is None:
        raise ValueError(f"{id!r} is no id of a stored completion")
    return EPOCH + timedelta(microseconds=int(match[1], 16))


def stored(row: Mapping[str, Any]) -> StoredCompletion:
    return StoredCompletion(row["id"], decode(row["completion"]), decode(row["metadata"]))


def encode(value: object) -> str:
    return msgspec.json.encode(value).decode()
