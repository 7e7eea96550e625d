"""Asks real adapters: of a fake engine on a socket, and of an address where nobody listens."""

import asyncio
import time

from backends.engines import Deployment
from routing import health
from routing.catalogue import Catalogue, Entry, entry
from routing.health import Readiness
from tests.fakes.fake_openai_engine import FakeEngine


def model(name: str, url: str) -> Entry:
    return entry(Deployment(name, "chat", "openai", url), owned_by="maker", created=1)


async def close(*entries: Entry) -> None:
    for one in entries:
        await one.backend.close()  # type: ignore[union-attr]


class Check:
    """A named check that counts how often it is asked."""

    def __init__(self, answer: bool = True) -> None:
        self.answer = answer
        self.asked = 0

    async def __call__(self) -> bool:
        self.asked += 1
        await asyncio.sleep(0.02)
        return self.answer


async def test_every_capability_by_model_and_the_others_by_name() -> None:
    with FakeEngine() as gone:
        nobody = gone.url
    with FakeEngine() as engine:
        here, away = model("here", engine.url), model("away", nobody)
        readiness = Readiness(Catalogue([here, away]), {"database": Check(False)})
        assert await readiness.capabilities() == {
            "chat": {"here": True, "away": False},
            "database": {"database": False},
        }
        await close(here, away)


async def test_many_who_ask_at_once_cost_one_check() -> None:
    check = Check()
    readiness = Readiness(Catalogue([]), {"database": check})
    answers = await asyncio.gather(*(readiness.capabilities() for _ in range(20)))
    assert check.asked == 1
    assert all(answer == {"database": {"database": True}} for answer in answers)


async def test_answer_is_forgotten_after_a_moment() -> None:
    check = Check()
    readiness = Readiness(Catalogue([]), {"database": check})
    await readiness.capabilities()
    check.answer = False
    give_up = time.monotonic() + 10 * health.REMEMBERED_SECONDS
    while (await readiness.capabilities())["database"]["database"]:
        assert time.monotonic() < give_up
        await asyncio.sleep(0.05)
    assert check.asked == 2


async def test_checks_run_side_by_side() -> None:
    inside = asyncio.Barrier(2)

    async def together() -> bool:
        async with asyncio.timeout(5):
            await inside.wait()
        return True

    readiness = Readiness(Catalogue([]), {"a": together, "b": together})
    assert await readiness.capabilities() == {"a": {"a": True}, "b": {"b": True}}
