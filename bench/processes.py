"""CPU time, memory and pinning of processes."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psutil


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes so far, in seconds."""
    if sys.platform != "linux":
        spent = [psutil.Process(pid).cpu_times() for pid in pids]
        return sum(times.user + times.system for times in spent)
    # The clock that clock_getcpuclockid(3) names counts nanoseconds; psutil counts in steps of
    # 10 ms, and nginx uses no more than a few of those in a whole window.
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def resident_mb(pids: Iterable[int]) -> float:
    """Resident memory of these processes, in MB (10**6 bytes); shared pages count for each."""
    total: int = sum(psutil.Process(pid).memory_info().rss for pid in pids)
    return total / 1e6


def tree(pid: int) -> tuple[int, ...]:
    """This process and all that descend from it."""
    process = psutil.Process(pid)
    return (pid, *(child.pid for child in process.children(recursive=True)))


def cores() -> tuple[int, int] | None:
    """One core for the gateway, one for engine and load; None where pinning is not possible."""
    if not hasattr(psutil.Process, "cpu_affinity"):
        return None
    usable: list[int] = psutil.Process().cpu_affinity()
    return (usable[0], usable[1]) if len(usable) > 1 else None


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Processes started inside inherit this core, with every thread they will ever have."""
    if core is None:
        yield
        return
    own = psutil.Process()
    before = own.cpu_affinity()
    own.cpu_affinity([core])
    try:
        yield
    finally:
        own.cpu_affinity(before)
