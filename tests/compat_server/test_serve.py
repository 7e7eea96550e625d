"""The whole server, started as a user starts it, and what becomes of it when parts are killed."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from backends.local import LocalProcess
from backends.storage.migrate import MIGRATIONS
from backends.storage.postgres import EmbeddedPostgres
from conformance_tests.live_server import LiveServer, eventually, free_port
from tests.fakes.fake_openai_engine import FakeEngine, completion, text_stream

BGE = 'models = ["bge-small-en-v1.5"]'
HI = [{"role": "user", "content": "Hi"}]
EMBED = {"model": "text-embedding-3-small", "input": "hello"}


def gone(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def answers(server: LiveServer) -> bool:
    with contextlib.suppress(OSError):
        return server.wire.post("/v1/embeddings", EMBED).status == 200
    return False


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer(config=BGE) as running:
        yield running


def test_it_answers_and_says_what_runs_where(server: LiveServer) -> None:
    assert answers(server)
    said = server.described()
    assert said["url"] == f"http://localhost:{server.port}"
    pids = [*said["gateways"], *said["engines"].values(), said["postgres"]]
    assert set(pids) <= set(server.pids())
    assert set(said["engines"]) == {"bge-small-en-v1.5"}
    assert not (server.home / "server.json").stat().st_mode & 0o022


def test_second_server_beside_it(server: LiveServer) -> None:
    with LiveServer(config=BGE) as second:
        assert answers(second)
        assert answers(server)
        assert not set(second.pids()) & set(server.pids())


@pytest.mark.parametrize("taken", ["home", "port"])
def test_second_server_in_its_place_is_refused_with_a_clear_message(
    server: LiveServer, taken: str
) -> None:
    elsewhere = tempfile.mkdtemp(prefix="compat-test-")
    Path(elsewhere).chmod(0o755)
    environment = {
        **os.environ,
        "COMPAT_CONFIG": str(server.folder / "config.toml"),
        "COMPAT_HOME": str(server.home) if taken == "home" else elsewhere,
        "COMPAT_PORT": str(server.port) if taken == "port" else str(free_port()),
    }
    command = [sys.executable, "-m", "compat_server", "serve"]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    shutil.rmtree(elsewhere)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    (line,) = refused.stderr.strip().splitlines()
    assert line.startswith("compat-server: ")
    assert "COMPAT_PORT" in line
    assert str(server.home if taken == "home" else server.port) in line
    assert answers(server)


@pytest.mark.parametrize("part", ["gateways", "engines", "postgres"])
def test_part_that_is_killed_comes_back(server: LiveServer, part: str) -> None:
    def pid() -> Any:
        """As `server.json` has it now: it is kept up to date."""
        said = server.described()[part]
        return (
            said if part == "postgres" else next(iter(said.values() if part == "engines" else said))
        )

    first = pid()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: gone(first), 10)
    eventually(lambda: server.ready() and answers(server), 60)
    eventually(lambda: pid() not in (None, first), 10)
    assert not gone(pid())


def test_callers_who_come_while_the_gateway_is_restarted_wait(server: LiveServer) -> None:
    os.kill(server.described()["gateways"][0], signal.SIGKILL)
    assert server.wire.get("/v1/models").status == 200


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_ends_well_and_leaves_nothing(how: signal.Signals) -> None:
    server = LiveServer(config="models = []")
    server.__enter__()
    pids = server.pids()
    sockets = Path(server.described()["sockets"])
    os.kill(pids[0], how)
    eventually(lambda: all(map(gone, pids)), 30)
    assert server.stop()[0] == 0
    assert not sockets.exists()
    assert not (server.home / "server.json").exists()
    shutil.rmtree(server.folder)


def test_kill_of_the_command_leaves_nothing_and_the_next_start_works() -> None:
    server = LiveServer(config=BGE)
    server.__enter__()
    pids = server.pids()
    sockets = Path(server.described()["sockets"])
    cluster = server.home / "postgres" / "PG_VERSION"
    made = cluster.stat().st_ino
    assert len(pids) >= 4
    server.kill()
    eventually(lambda: all(map(gone, pids)), 10)
    with server:
        assert answers(server)
        assert not sockets.exists(), "what the killed one left is cleared away"
        assert cluster.stat().st_ino == made, "the state is still the same"


@pytest.mark.parametrize("module", ["compat_server.gateway", "backends.host"])
def test_kill_of_the_command_while_it_starts_leaves_nothing(module: str) -> None:
    """Before the child has read its imports, and so before it could ask to go with its parent."""
    server = LiveServer(config=BGE)
    (server.folder / "config.toml").write_text(BGE)
    environment = {
        **os.environ,
        "COMPAT_CONFIG": str(server.folder / "config.toml"),
        "COMPAT_HOME": str(server.home),
        "COMPAT_PORT": str(server.port),
    }
    command = subprocess.Popen(
        [sys.executable, "-m", "compat_server", "serve"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    found: list[int] = []

    def started() -> bool:
        for child in psutil.Process(command.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if module in child.cmdline():
                    found.append(child.pid)
        return bool(found)

    eventually(started, 30)
    everything = [c.pid for c in psutil.Process(command.pid).children(recursive=True)]
    command.kill()
    command.wait()
    eventually(lambda: all(map(gone, [*found, *everything])), 15)
    shutil.rmtree(server.folder)


async def test_database_of_ones_own_is_used() -> None:
    place = Path(tempfile.mkdtemp(prefix="compat-pg-"))
    place.chmod(0o755)
    own = EmbeddedPostgres(place / "data", place / "s")
    process = LocalProcess(own.program(), place / "postgres.log")
    await process.start()
    await process.wait_healthy(60)
    url = own.url.replace("/compat?", "/house?")
    try:
        with LiveServer(config="models = []", env={"DATABASE_URL": url}) as server:
            assert server.described()["postgres"] is None
            assert "DATABASE_URL" not in server.log()
            connection = await asyncpg.connect(url)
            applied = await connection.fetchval("select count(*) from schema_migrations")
            await connection.close()
            assert applied == len(list(MIGRATIONS.glob("*.sql")))
            capabilities = server.wire.get("/health/ready").json()["capabilities"]
            assert capabilities["database"]["ready"] is True
        assert not (server.home / "postgres").exists()
    finally:
        await process.stop()
        shutil.rmtree(place)


def test_backend_by_url_answers_plain_and_streamed_under_the_name_asked_for() -> None:
    with FakeEngine() as engine:
        config = f"""
            models = []
            [[backend]]
            model = "big"
            capability = "chat"
            url = "{engine.url}"
            upstream_model = "org/Big-70B"
            api_key_env = "BIG_KEY"
            [aliases]
            house = "big"
        """
        with LiveServer(config=config, env={"BIG_KEY": "sk-upstream"}) as server:
            engine.answers(completion("Hello"))
            headers = {"authorization": "Bearer the-callers-own"}
            body = {"model": "house", "messages": HI, "guided_regex": "a+"}
            answer = server.wire.post("/v1/chat/completions", body, headers)
            assert answer.status == 200
            assert answer.json()["model"] == "house"
            assert answer.headers["x-compat-model"] == "big"
            assert engine.last.json == {**body, "model": "org/Big-70B"}
            assert engine.last.headers["authorization"] == "Bearer sk-upstream"
            engine.streams(text_stream("Hel", "lo"))
            streamed = server.wire.post("/v1/chat/completions", {**body, "stream": True})
            assert {chunk["model"] for chunk in streamed.chunks()} == {"house"}
            texts = [c["choices"][0]["delta"].get("content", "") for c in streamed.chunks()]
            assert "".join(texts) == "Hello"
            listed = {model["id"] for model in server.wire.get("/v1/models").json()["data"]}
            assert {"big", "house", "gpt-4o", "gpt-4o-mini"} <= listed
            assert "sk-upstream" not in json.dumps(server.described()) + server.log()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("prot = 1", "prot"),
        ('models = ["gpt-5"]', "gpt-5"),
        ('models = []\n[aliases]\nx = "missing"', "missing"),
        ('models = []\nhost = "0.0.0.0"', "api_keys"),
        (
            'models = []\n[[backend]]\nmodel = "m"\ncapability = "chat"\nurl = "http://h/v1"\n'
            'api_key_env = "NO_SUCH_KEY"',
            "NO_SUCH_KEY",
        ),
    ],
)
def test_configuration_that_cannot_work_ends_at_once_with_one_line(config: str, said: str) -> None:
    server = LiveServer(config=config)
    (server.folder / "config.toml").write_text(config)
    environment = {
        **os.environ,
        "COMPAT_CONFIG": str(server.folder / "config.toml"),
        "COMPAT_HOME": str(server.home),
        "COMPAT_PORT": str(server.port),
    }
    command = [sys.executable, "-m", "compat_server", "serve"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    shutil.rmtree(server.folder)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
