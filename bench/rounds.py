"""Runs the measures: every round asks every target in turn, so that all share the same weather."""

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from bench.load import Result
from bench.measures import MEASURES, Measure
from bench.processes import pinned, resident_mb
from bench.targets import Running, Target

LOAD_LIMIT_S = 180
WARM_UP_S = 0.3


@dataclass
class Outcome:
    """Everything measured, one value per round."""

    # (title of the measure, target): CPU µs per unit, or ms of the whole time.
    values: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    starts_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    resident_mb: dict[str, float] = field(default_factory=dict)


@contextmanager
def engine(core: int | None) -> Iterator[str]:
    """The fake engine's URL while it runs."""
    with pinned(core):
        command = [sys.executable, "-m", "bench.fake_engine"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def run(targets: Sequence[Target], rounds: int, cores: tuple[int | None, int | None]) -> Outcome:
    """Starts all targets (gateways on the first core, the rest on the second) and measures."""
    outcome = Outcome()
    running: dict[str, Running] = {}
    with engine(cores[1]) as engine_url:
        try:
            for target in targets:
                start(target, engine_url, rounds, cores[0], running, outcome)
            measure_all(targets, running, rounds, cores[1], outcome)
        finally:
            for target in targets:
                if target.name in running:
                    target.stop()
    return outcome


def start(
    target: Target,
    engine_url: str,
    rounds: int,
    core: int | None,
    running: dict[str, Running],
    outcome: Outcome,
) -> None:
    """Starts the target once per round, for the time it takes, and leaves the last one running."""
    for _ in range(rounds):
        if running.pop(target.name, None):
            target.stop()
        begin = time.perf_counter()
        with pinned(core):
            running[target.name] = target.start(engine_url)
        outcome.starts_s[target.name].append(time.perf_counter() - begin)


def measure_all(
    targets: Sequence[Target],
    running: dict[str, Running],
    rounds: int,
    core: int | None,
    outcome: Outcome,
) -> None:
    """Warms every target up, then runs the rounds, then reads the memory."""
    for target in targets:
        for measure in MEASURES:
            if suits(target, measure) and not measure.every_s:
                load(measure, running[target.name], core, WARM_UP_S)
    for number in range(rounds):
        # Another target comes first in every round, so that none always profits from its place.
        shift = number % len(targets)
        for measure in MEASURES:
            for target in (*targets[shift:], *targets[:shift]):
                if suits(target, measure):
                    result = load(measure, running[target.name], core, measure.window_s)
                    value = evaluate(measure, result)
                    outcome.values[measure.title, target.name].append(value)
                    print(
                        f"round {number + 1}: {target.name}: {measure.title}: {value:.2f}",
                        flush=True,
                    )
    for target in targets:
        outcome.resident_mb[target.name] = resident_mb(running[target.name].pids)


def suits(target: Target, measure: Measure) -> bool:
    """Whether the target can do this, and whether the answer means anything for it."""
    able = measure.needs is None or measure.needs in target.abilities
    return able and (target.name != "direct" or measure.quantile is not None)


def load(measure: Measure, running: Running, core: int | None, window_s: float) -> Result:
    """One window of load from a process of its own; fails if any answer was wrong."""
    spec = asdict(measure.spec(running.url, running.pids)) | {"window_s": window_s}
    command = [sys.executable, "-m", "bench.load", json.dumps(spec)]
    with pinned(core):
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=LOAD_LIMIT_S, check=False
        )
    if done.returncode:
        raise RuntimeError(f"the load failed: {measure.title}")
    return Result(**json.loads(done.stdout))


def evaluate(measure: Measure, result: Result) -> float:
    """CPU µs per unit, or a quantile of the time to the first chunk or whole answer in ms."""
    if measure.quantile is None:
        return result.cpu_s * 1e6 / (result.answers * measure.units)
    times = sorted(result.first_s if measure.streams else result.whole_s)
    return times[int(measure.quantile * len(times))] * 1e3
