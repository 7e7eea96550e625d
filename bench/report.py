"""Writes what was measured as Markdown."""

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import psutil

from bench.measures import MEASURES, Measure
from bench.rounds import Outcome

LEGEND = """
CPU is user and system time of the gateway's processes (in µs per request or per chunk of a
stream). Each cell: median [lowest-highest] of {rounds} interleaved rounds; `x` is the median of
the per-round ratios to nginx in front of the same engine.
{pinning}
Added times are counted from the engine asked directly, round by round.
Resident memory is read after the load (shared pages count once per process). Read the ratios:
absolute times belong to the machine and to what else it was doing.
"""


def machine() -> str:
    """Processor, cores, system, Python, and how busy the machine is."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    return (
        f"{processor}, {os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB; "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}; "
        f"load average {os.getloadavg()[0]:.1f} at the end"
    )


def render(
    outcome: Outcome,
    versions: Mapping[str, str],
    command: str,
    rounds: int,
    pinned: bool,
    imported_s: tuple[float, float] | None,
) -> str:
    """The whole report. `versions` names the targets in the order of the columns."""
    gateways = [name for name in versions if name != "direct"]
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    named = ", ".join(f"{name} {versions[name]}" for name in gateways)
    pinning = (
        "The gateway had one core, engine and load generator shared another."
        if pinned
        else "Nothing was pinned to a core."
    )
    lines = ["# Results", "", f"- {today}, {machine()}", f"- {named}", f"- `{command}`", ""]
    lines += [row(["", "goal", *gateways]), row(["---"] * (len(gateways) + 2))]
    for measure in MEASURES:
        cells = [cell(outcome, measure, name) for name in gateways]
        lines.append(row([measure.title, measure.goal, *cells]))
    memory = [f"{outcome.resident_mb[name]:.0f}" for name in gateways]
    first = [f"{outcome.starts_s[name][0]:.2f}" for name in gateways]
    later = [f"{median(outcome.starts_s[name][1:]):.2f}" for name in gateways if rounds > 1]
    lines.append(row(["resident memory, MB", "<= 120", *memory]))
    lines.append(row(["first start until ready, s", "-", *first]))
    if later:
        lines.append(row(["later starts until ready, s", "<= 1", *later]))
    lines.append("")
    for measure in MEASURES:
        direct = outcome.values.get((measure.title, "direct"))
        if direct:
            title = measure.title.replace("added ", "")
            lines.append(f"- engine asked directly: {title}: {median(direct):.2f}")
    if imported_s:
        wall, cpu = imported_s
        lines.append(f"- `import compat_server.app`: {wall:.2f} s, CPU {cpu:.2f} s (best of 5)")
    return "\n".join(lines) + "\n" + LEGEND.format(rounds=rounds, pinning=pinning)


def row(cells: Sequence[str]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def cell(outcome: Outcome, measure: Measure, name: str) -> str:
    """Median, range and ratio of one measure for one target."""
    values = outcome.values.get((measure.title, name))
    if not values:
        return "-"
    if measure.quantile is not None:
        direct = outcome.values[measure.title, "direct"]
        added = [value - base for value, base in zip(values, direct, strict=True)]
        return f"{median(added):+.2f} [{min(added):+.2f} to {max(added):+.2f}]"
    yardstick = outcome.values[measure.against or measure.title, "nginx"]
    ratio = median(value / unit for value, unit in zip(values, yardstick, strict=True))
    span = f"[{number(min(values))}-{number(max(values))}]"
    return f"{number(median(values))} {span} {number(ratio)}x"


def number(value: float) -> str:
    """Three digits, or all of them before the point."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
