"""Whether everything that is enabled would answer now."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from routing.catalogue import Catalogue

REMEMBERED_SECONDS = 0.5
"""Probes come from several places at once; engines are asked once for all of them."""

Check = Callable[[], Awaitable[bool]]


class Readiness:
    """Asks every engine, and whatever else is given by name (`database`)."""

    def __init__(self, catalogue: Catalogue, others: dict[str, Check]) -> None:
        self._catalogue = catalogue
        self._others = others
        self._asked = 0.0
        self._answer: dict[str, dict[str, bool]] = {}
        self._asking = asyncio.Lock()

    async def capabilities(self) -> dict[str, dict[str, bool]]:
        """`{"chat": {"model": true}, "database": {"database": true}}`"""
        async with self._asking:
            if time.monotonic() - self._asked < REMEMBERED_SECONDS:
                return self._answer
            keys: list[tuple[str, str]] = []
            checks: list[Awaitable[bool]] = []
            for entry in self._catalogue.entries:
                keys.append((entry.capability, entry.id))
                checks.append(entry.backend.healthy())
            for name, check in self._others.items():
                keys.append((name, name))
                checks.append(check())
            answer: dict[str, dict[str, bool]] = {}
            for (capability, name), healthy in zip(
                keys, await asyncio.gather(*checks), strict=True
            ):
                answer.setdefault(capability, {})[name] = healthy
            self._answer, self._asked = answer, time.monotonic()
            return answer
