"""A peer that comes as a wheel: it may be installed in an environment of its own, on PATH."""

import shutil
import subprocess
from pathlib import Path

from bench.targets import UnavailableError


def program(name: str) -> str:
    """Where the program is."""
    found = shutil.which(name)
    if found is None:
        raise UnavailableError(
            f"{name} is not on PATH. Install its wheel in an environment of its own and add the "
            "folder of its programs to PATH."
        )
    return found


def version(name: str) -> str:
    """The wheel's version, asked of the interpreter next to the program."""
    python = Path(program(name)).with_name("python")
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
