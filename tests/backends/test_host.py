"""The engine host as it really runs: a process with the real small model, on a unix socket."""

import asyncio
import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from backends.capabilities import EmbedRequest
from backends.engines import start_command
from backends.errors import ContextTooLong, EngineFailed, InvalidRequest, Overloaded
from backends.fetch import install
from backends.hosted import HostedEmbed
from backends.local import LocalProcess, Program
from backends.models import load_catalogue
from backends.transport import Transport
from compat_server.config import load

MODEL = load_catalogue()["bge-small-en-v1.5"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A short path: a socket's has 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="compat-host-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(place: Path) -> AsyncIterator[LocalProcess]:
    command = start_command(MODEL, install(MODEL, load().models_dir), place / "bge.sock")
    embed = HostedEmbed(Transport(f"unix:{place}/bge.sock", engine=MODEL.id))
    process = LocalProcess(Program("bge", command, embed.healthy), place / "bge.log")
    await process.start()
    await process.wait_healthy(60)
    await embed.close()
    yield process
    await process.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def host(process: LocalProcess, place: Path) -> AsyncIterator[HostedEmbed]:
    embed = HostedEmbed(Transport(f"unix:{place}/bge.sock", engine=MODEL.id))
    yield embed
    await embed.close()


async def test_vectors_travel(host: HostedEmbed) -> None:
    embedded = await host.embed(EmbedRequest(["hello", "world"]))
    assert embedded.dimensions == MODEL.dimensions
    assert len(embedded.vectors) == 2 * 4 * MODEL.dimensions
    assert embedded.tokens == 6


async def test_errors_travel_with_class_words_param_and_code(host: HostedEmbed) -> None:
    with pytest.raises(InvalidRequest, match="vocabulary") as refused:
        await host.embed(EmbedRequest([[10**9]]))
    assert refused.value.param == "input"
    with pytest.raises(ContextTooLong, match="maximum context length") as too_long:
        await host.embed(EmbedRequest(["hello " * 600]))
    assert too_long.value.code == "context_length_exceeded"


async def test_calls_at_the_same_time_all_get_their_own_answer(host: HostedEmbed) -> None:
    texts = [[f"text {n}"] * (n + 1) for n in range(8)]
    answers = await asyncio.gather(*(host.embed(EmbedRequest(inputs)) for inputs in texts))
    sizes = [len(a.vectors) // (4 * MODEL.dimensions) for a in answers]
    assert sizes == [n + 1 for n in range(8)]


@pytest.mark.parametrize(
    ("path", "body", "status"), [("/embed", b"\xc1", 500), ("/speak", b"", 404)]
)
async def test_what_the_host_cannot_read_is_its_own_fault(
    process: LocalProcess, place: Path, path: str, body: bytes, status: int
) -> None:
    to_host = Transport(f"unix:{place}/bge.sock", engine="bge")
    async with await to_host.post(path, body) as answer:
        assert answer.status == status
    await to_host.close()


async def test_engine_fails_when_the_host_has_no_such_method(host: HostedEmbed) -> None:
    with pytest.raises(EngineFailed, match="404"):
        await host.call("/speak", EmbedRequest(["a"]), bytes)


async def test_socket_is_nobody_elses(process: LocalProcess, place: Path) -> None:
    mode = stat.S_IMODE((place / "bge.sock").stat().st_mode)
    assert not mode & stat.S_IWOTH, f"{mode:o}: any user of this machine could use the engine"


async def test_killed_host_is_overloaded_then_back(
    host: HostedEmbed, process: LocalProcess
) -> None:
    assert process.pid is not None
    os.kill(process.pid, 9)
    with pytest.raises(Overloaded):  # at first perhaps a connection that it held is reset
        for _ in range(100):
            with contextlib.suppress(EngineFailed):
                await host.embed(EmbedRequest(["hello"]))
    await process.wait_healthy(60)
    assert (await host.embed(EmbedRequest(["hello"]))).tokens == 3
