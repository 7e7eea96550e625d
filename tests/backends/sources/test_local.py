"""The user's own folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backends.models import LocalSource, Model, Progress, SourceError
from backends.sources import local

MakeModel = Callable[..., Model]


def never(progress: Progress) -> None:
    pytest.fail(f"reported {progress}")


def test_files_are_copied(
    tmp_path: Path, model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "weights" / "onnx").mkdir(parents=True)
    (tmp_path / "weights" / "onnx" / "model.bin").write_bytes(b"weights")
    said: list[Progress] = []
    local.fetch(
        LocalSource("~/weights"), model({"onnx/model.bin": b"weights"}), tmp_path, said.append
    )
    copy = tmp_path / "files" / "onnx" / "model.bin"
    assert copy.read_bytes() == b"weights"
    assert not copy.samefile(tmp_path / "weights" / "onnx" / "model.bin")
    assert [(p.done, p.total) for p in said] == [(7, 7)]


def test_missing_and_wrong_files(tmp_path: Path, model: MakeModel) -> None:
    source, tiny = LocalSource(str(tmp_path)), model({"model.bin": b"weights"})
    with pytest.raises(SourceError, match=r"model\.bin is not there"):
        local.fetch(source, tiny, tmp_path, never)
    (tmp_path / "model.bin").write_bytes(b"short")
    with pytest.raises(SourceError, match="5 bytes, not 7"):
        local.fetch(source, tiny, tmp_path, never)
