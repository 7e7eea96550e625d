"""How long a fresh interpreter takes to import a module."""

import os
import subprocess
import sys
import time

TIMES = 5


def import_seconds(module: str) -> tuple[float, float]:
    """Wall and CPU seconds of `python -c "import …"`, interpreter included; the best of five."""
    wall, cpu = [], []
    for _ in range(TIMES):
        begin, before = time.perf_counter(), os.times()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
        after = os.times()
        wall.append(time.perf_counter() - begin)
        cpu.append(sum(after[2:4]) - sum(before[2:4]))
    return min(wall), min(cpu)
