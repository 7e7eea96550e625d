"""The hub's own client against a hub on loopback, and the ways in which a hub is not there."""

import hashlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends.models import HuggingFaceSource, Model, Progress, SourceError
from backends.sources import huggingface

MakeModel = Callable[..., Model]
SOURCE = HuggingFaceSource("maker/tiny", {"sub/weights.bin": "model.bin", "c.json": "c.json"})
FILES = {"model.bin": b"weights" * 1000, "c.json": b"{}"}
BASE = "/maker/tiny/resolve/main"


@pytest.fixture
def hub(site: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A site that answers as the hub does for a repository of two files."""
    for remote, local in SOURCE.files.items():
        data = FILES[local]
        site.pages[f"{BASE}/{remote}"] = data
        etag = hashlib.sha256(data).hexdigest()
        site.headers[f"{BASE}/{remote}"] = {"ETag": f'"{etag}"', "X-Repo-Commit": "a" * 40}
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return site


def fetch(model: Model, work: Path) -> list[Progress]:
    said: list[Progress] = []
    huggingface.fetch(SOURCE, model, work, said.append)
    return said


def test_files_get_our_names(tmp_path: Path, model: MakeModel, hub: Any) -> None:
    said = fetch(model(FILES), tmp_path)
    for name, data in FILES.items():
        assert (tmp_path / "files" / name).read_bytes() == data
    assert said[-1].done == said[-1].total == 7002
    assert said[0].text == "maker/tiny sub/weights.bin"


def test_resumes_with_the_files_not_yet_there(tmp_path: Path, model: MakeModel, hub: Any) -> None:
    missing = hub.pages.pop(f"{BASE}/c.json")
    with pytest.raises(SourceError, match="404"):
        fetch(model(FILES), tmp_path)
    hub.pages[f"{BASE}/c.json"] = missing
    fetch(model(FILES), tmp_path)
    assert hub.asked.count(f"GET {BASE}/sub/weights.bin") == 1


def test_another_file_is_noticed_before_its_download(
    tmp_path: Path, model: MakeModel, hub: Any
) -> None:
    with pytest.raises(SourceError, match="7000 bytes there, not 3"):
        fetch(model({"model.bin": b"abc", "c.json": b"{}"}), tmp_path)
    assert not any(line.startswith("GET") for line in hub.asked)


def test_offline(
    tmp_path: Path, model: MakeModel, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SourceError, match="HF_HUB_OFFLINE is set"):
        fetch(model(FILES), tmp_path)
    assert not hub.asked


@pytest.mark.parametrize("listening", [False, True])
def test_a_hub_that_is_not_there_costs_seconds(
    tmp_path: Path,
    model: MakeModel,
    hub: Any,
    monkeypatch: pytest.MonkeyPatch,
    listening: bool,
) -> None:
    monkeypatch.setattr(huggingface, "ANSWER_S", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listening:
            silent.listen()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(SourceError, match=r"timed out|refused|no answer"):
            fetch(model(FILES), tmp_path)
        assert time.monotonic() - began < 5
