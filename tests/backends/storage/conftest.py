"""A real PostgreSQL cluster, as the server starts it."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from backends.local import LocalProcess
from backends.storage.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Not `tmp_path`: run as root, PostgreSQL's own user has to get through every folder; and a
    socket's path has 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="compat-pg-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def postgres(place: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(place / "data", place / "s")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(postgres: EmbeddedPostgres, place: Path) -> AsyncIterator[LocalProcess]:
    process = LocalProcess(postgres.program(), place / "postgres.log")
    await process.start()
    await process.wait_healthy(60)
    yield process
    await process.stop()
