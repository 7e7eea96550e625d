"""Real child processes: small Python programs that the tests write."""
# ruff: noqa: ASYNC220

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from backends.local import LocalProcess, Program, ProgramEnded

Run = Callable[..., Awaitable[LocalProcess]]
SLEEP = "import time; time.sleep(60)"


async def well() -> bool:
    return True


async def never() -> bool:
    return False


async def eventually(condition: Callable[[], Any], seconds: float = 15) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"not within {seconds} s"
        await asyncio.sleep(0.02)


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    running: list[LocalProcess] = []

    async def start(code: str, **more: Any) -> LocalProcess:
        command = [sys.executable, "-c", code]
        program = Program("little", command, **{"healthy": well, **more})
        process = LocalProcess(program, tmp_path / "logs" / "little.log")
        running.append(process)
        await process.start()
        return process

    yield start
    for process in running:
        await process.stop()


async def test_killed_program_comes_back(run: Run) -> None:
    process = await run(SLEEP)
    await process.wait_healthy(5)
    first = process.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: process.pid not in (None, first))
    assert process.restarts == 1
    assert not psutil.pid_exists(first)


async def test_pauses_grow_while_it_keeps_ending(run: Run, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    process = await run(f"import time; print(time.time(), file=open({str(starts)!r}, 'a'))")
    await eventually(lambda: process.restarts >= 3)
    times = [float(line) for line in starts.read_text().split()][:4]
    pauses = [late - early for early, late in pairwise(times)]
    assert pauses[1] > pauses[0] + 0.1
    assert pauses[0] >= 0.2


async def test_stop_sends_its_signal_waits_and_does_not_restart(run: Run, tmp_path: Path) -> None:
    said = tmp_path / "said"
    code = (
        "import signal, sys, time\n"
        f"def end(*_): open({str(said)!r}, 'w').write('bye'); sys.exit(0)\n"
        "signal.signal(signal.SIGINT, end); print('up', flush=True)\n"
        "time.sleep(60)"
    )
    process = await run(code, stop_signal=signal.SIGINT)
    await eventually(lambda: "up" in process.last_words())
    await process.stop()
    assert said.read_text() == "bye"
    assert process.pid is None
    assert process.restarts == 0


async def test_program_that_ignores_its_signal_is_killed(run: Run) -> None:
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True);"
    process = await run(code + SLEEP, stop_seconds=0.2)
    await eventually(lambda: "up" in process.last_words())
    pid = process.pid
    assert pid is not None
    await process.stop()
    assert not psutil.pid_exists(pid)


async def test_stop_while_it_waits_for_its_restart(run: Run) -> None:
    process = await run("raise SystemExit(1)")
    await eventually(lambda: process.pid is None)
    await process.stop()
    restarts = process.restarts
    await asyncio.sleep(0.5)
    assert (process.pid, process.restarts) == (None, restarts)


async def test_start_that_fails_quotes_the_end_of_the_log(run: Run) -> None:
    lines = "print(*range(40), sep='\\n'); raise SystemExit('no such model')"
    process = await run(lines, healthy=never)
    with pytest.raises(ProgramEnded, match="no such model") as failed:
        await process.wait_healthy(30)
    assert "little.log" in str(failed.value)
    assert "\n5\n" not in str(failed.value), "only the end of it"


async def test_start_that_takes_too_long_fails(run: Run) -> None:
    process = await run(SLEEP, healthy=never)
    with pytest.raises(ProgramEnded, match="did not start"):
        await process.wait_healthy(0.3)


async def test_ctrl_c_at_the_terminal_does_not_reach_it(run: Run) -> None:
    process = await run(SLEEP)
    assert process.pid is not None
    assert os.getsid(process.pid) != os.getsid(0)


async def test_environment_and_preparation(run: Run) -> None:
    prepared: list[int] = []
    process = await run(
        "import os; print(os.environ['COLOUR'], flush=True); import time; time.sleep(60)",
        environment={"COLOUR": "green"},
        prepare=lambda: prepared.append(1),
    )
    await eventually(lambda: "green" in process.last_words())
    assert prepared == [1]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await eventually(lambda: process.restarts == 1)
    assert prepared == [1, 1], "before every start"


async def test_preparation_that_fails_at_a_restart_is_tried_again(run: Run) -> None:
    outcomes = [None, OSError("disk is full"), None]

    def prepare() -> None:
        if failure := outcomes.pop(0):
            raise failure

    process = await run(SLEEP, prepare=prepare)
    first = process.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: process.pid not in (None, first), 5)
    assert not outcomes


CHILD = "from backends.child import stay_with_parent, wait_for_end; stay_with_parent();"
PARENT = """
import asyncio, sys
from pathlib import Path
from backends.local import LocalProcess, Program

async def well():
    return True

async def main():
    command = [sys.executable, "-c", sys.argv[1]]
    process = LocalProcess(Program("child", command, well), Path(sys.argv[2]))
    await process.start()
    print(process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["running", "still starting"])
async def test_child_does_not_outlive_a_parent_that_is_killed(tmp_path: Path, when: str) -> None:
    log = tmp_path / "child.log"
    if when == "running":
        code = CHILD + "print('up', flush=True); wait_for_end()"
    else:
        # Reading its imports takes a while; the parent is gone before it can ask to go with it.
        code = f"import time; time.sleep(1); {CHILD} wait_for_end()"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, code, str(log)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    try:
        if when == "running":
            await eventually(lambda: "up" in log.read_text())
        parent.kill()
        parent.wait()
        parent.stdout.close()
        await eventually(lambda: not child.is_running() or child.status() == "zombie", 5)
    finally:
        if child.is_running():
            child.kill()
