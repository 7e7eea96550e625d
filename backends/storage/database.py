"""The gateway's connections to PostgreSQL: a pool that opens on first use and outlives restarts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from backends.errors import DatabaseUnavailable

QUERY_SECONDS = 10.0
"""The longest that a statement may take."""
POOL_SECONDS = 5.0
"""The longest that a connection is waited for, and that a server may take to cancel a statement."""

FAILURES = (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError)

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What a query fails with when the server is at fault and not the query."""


class Database:
    """`pool()` hands out asyncpg's pool; asyncpg replaces connections that died by itself."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def pool(self) -> asyncpg.Pool:
        """Raises `DatabaseUnavailable`."""
        async with self._opening:
            if self._pool is None:
                try:
                    self._pool = await asyncpg.create_pool(
                        self._url, min_size=1, max_size=16, timeout=5, command_timeout=QUERY_SECONDS
                    )
                except FAILURES as error:
                    raise DatabaseUnavailable("The database does not answer.") from error
            return self._pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """One of the pool's. Raises `DatabaseUnavailable`, also for what is done with it."""
        pool = await self.pool()
        try:
            async with pool.acquire(timeout=POOL_SECONDS) as connection:
                yield connection
        except AWAY as error:
            raise DatabaseUnavailable("The database does not answer.") from error

    async def healthy(self) -> bool:
        """True if a query is answered within two seconds. Never raises."""
        asking = asyncio.create_task(self._ask())
        # Not a timeout around it: cancelled, asyncpg would wait for a server that hangs.
        await asyncio.wait({asking}, timeout=2)
        if asking.done():
            return asking.exception() is None
        asking.cancel()
        return False

    async def _ask(self) -> None:
        await (await self.pool()).fetchval("select true")

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None
