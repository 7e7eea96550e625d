"""OpenAI's JavaScript SDK, where node is installed: one Python test per JavaScript file."""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock
from platformdirs import user_cache_dir

from conformance_tests.live_server import LiveServer

HERE = Path(__file__).parent / "javascript"


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where the tests lie next to the SDK: kept per user, so that npm is asked once."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed: JavaScript is not tested")
    package = (HERE / "package.json").read_bytes()
    name = hashlib.sha256(package).hexdigest()[:12]
    place = Path(user_cache_dir("compat-server")) / "node" / name
    place.mkdir(parents=True, exist_ok=True)
    done = place / "installed"
    with FileLock(place / "lock"):
        if not done.exists():
            (place / "package.json").write_bytes(package)
            install = subprocess.run(
                ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"],
                cwd=place,
                capture_output=True,
                text=True,
                timeout=240,
            )
            assert install.returncode == 0, install.stderr[-2000:]
            done.touch()
    return place


@pytest.mark.parametrize("file", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_javascript(server: LiveServer, folder: Path, file: str) -> None:
    # Next to node_modules: imports are looked up from where a file lies.
    shutil.copy(HERE / file, folder / file)
    run = subprocess.run(
        ["node", "--test", "--test-reporter=tap", file],
        cwd=folder,
        env={**os.environ, "OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "unused"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    counts = dict(re.findall(r"^# (tests|pass) (\d+)$", run.stdout, re.M))
    assert int(counts["pass"]) == int(counts["tests"]) > 0
