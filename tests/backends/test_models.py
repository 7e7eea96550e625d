"""The catalogue, and what counts as installed."""

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from backends import models
from backends.models import (
    HuggingFaceSource,
    Model,
    ModelError,
    PypiSource,
    SourceError,
    load_catalogue,
)

MakeModel = Callable[..., Model]


def write(place: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)


def put(model: Model, models_dir: Path, files: dict[str, bytes]) -> Path:
    """The model as an installation leaves it."""
    place = models.folder(model, models_dir)
    write(place, files)
    models.verify(model, place, lambda progress: None)
    return place


def test_shipped_catalogue() -> None:
    catalogue = load_catalogue()
    assert {model.id for model in catalogue.values() if model.default} == {
        "smollm2-135m-instruct",
        "bge-small-en-v1.5",
    }
    assert catalogue["bge-small-en-v1.5"].dimensions == 384
    assert all(model.sources and model.licence for model in catalogue.values())


def test_qwen_comes_from_the_hub_or_in_slices_joined_in_numeric_order() -> None:
    hub, pypi = load_catalogue()["qwen2.5-coder-1.5b-instruct"].sources
    assert isinstance(hub, HuggingFaceSource) and isinstance(pypi, PypiSource)
    slices = [re.findall(r"part(\d+)", str(archive)) for archive in pypi.archives]
    assert [{int(number) for number in found} for found in slices] == [{n} for n in range(1, 23)]


def test_catalogue_names_no_host() -> None:
    assert "://" not in Path(models.__file__).with_name("catalogue.toml").read_text()


ENTRY = """
[[model]]
id = "tiny"
capability = "chat"
engine = "llama.cpp"
repository = "maker/tiny"
licence = "MIT"
[[model.file]]
path = "model.bin"
size = 3
sha256 = "{sha256}"
[[model.source]]
kind = "local"
path = "/weights"
""".format(sha256="0" * 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY.replace('"tiny"', '"../tiny"'), "regex"),
        (ENTRY.replace('"model.bin"', '"../model.bin"'), "regex"),
        (ENTRY.replace('"model.bin"', '"/etc/model.bin"'), "regex"),
        (ENTRY.replace('"model.bin"', '"verified.json"'), "not verified.json"),
        (ENTRY.replace("size = 3", 'size = 3\ncolour = "red"'), "colour"),
        (ENTRY.replace('"local"', '"torrent"'), "torrent"),
        (ENTRY.replace("0" * 64, "0" * 63), "regex"),
        (
            ENTRY.replace(
                'kind = "local"\npath = "/weights"',
                'kind = "huggingface"\nrepository = "a/b"\nfiles = { x = "other.bin" }',
            ),
            "other.bin",
        ),
        (ENTRY + ENTRY, "same id"),
        ("[[model]", "catalogue"),
    ],
)
def test_malformed_catalogue_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text(ENTRY)
    assert list(load_catalogue(path)) == ["tiny"]
    path.write_text(text)
    with pytest.raises(ModelError, match=message):
        load_catalogue(path)


def test_missing_catalogue(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.toml"):
        load_catalogue(tmp_path / "nowhere.toml")


def test_installed_means_verified(tmp_path: Path, model: MakeModel) -> None:
    files = {"model.bin": b"weights", "onnx/more.bin": b"more"}
    tiny = model(files)
    assert not models.is_installed(tiny, tmp_path)
    write(tmp_path / "tiny", files)
    assert not models.is_installed(tiny, tmp_path)
    put(tiny, tmp_path, files)
    assert models.is_installed(tiny, tmp_path)
    assert models.installed({"tiny": tiny, "other": model(files, id="other")}, tmp_path) == [tiny]


def test_a_touched_file_no_longer_counts(tmp_path: Path, model: MakeModel) -> None:
    tiny = model({"model.bin": b"weights"})
    path = put(tiny, tmp_path, {"model.bin": b"weights"}) / "model.bin"
    second = int(path.stat().st_mtime)
    # Container layers keep whole seconds only.
    os.utime(path, (second, second))
    assert models.is_installed(tiny, tmp_path)
    os.utime(path, (second, second - 5))
    assert not models.is_installed(tiny, tmp_path)


@pytest.mark.parametrize("marker", [b"", b"[]", b'{"model.bin": {"size": 7}}'])
def test_a_damaged_marker_does_not_count(tmp_path: Path, model: MakeModel, marker: bytes) -> None:
    tiny = model({"model.bin": b"weights"})
    (put(tiny, tmp_path, {"model.bin": b"weights"}) / models.MARKER).write_bytes(marker)
    assert not models.is_installed(tiny, tmp_path)


def test_new_hash_in_the_catalogue_asks_for_a_new_file(tmp_path: Path, model: MakeModel) -> None:
    put(model({"model.bin": b"weights"}), tmp_path, {"model.bin": b"weights"})
    assert not models.is_installed(model({"model.bin": b"changed"}), tmp_path)


def test_verify_names_the_wrong_file(tmp_path: Path, model: MakeModel) -> None:
    tiny = model({"model.bin": b"weights"})
    for data, message in ((b"short", "7 bytes"), (b"WEIGHTS", "sha256")):
        write(tmp_path, {"model.bin": data})
        with pytest.raises(SourceError, match=message):
            models.verify(tiny, tmp_path, lambda progress: None)
    assert not (tmp_path / models.MARKER).exists()


def test_remove(tmp_path: Path, model: MakeModel) -> None:
    tiny = model({"model.bin": b"weights"})
    place = put(tiny, tmp_path, {"model.bin": b"weights"})
    write(models.partial(tiny, tmp_path), {"half": b"wei"})
    models.remove(tiny, tmp_path)
    assert not place.exists() and not models.partial(tiny, tmp_path).exists()
    models.remove(tiny, tmp_path)


def test_remove_waits_for_nobody(tmp_path: Path, model: MakeModel) -> None:
    tiny = model({"model.bin": b"weights"})
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with models.locked(tiny, tmp_path, wait_seconds=0):
            held.set()
            done.wait(5)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    try:
        with pytest.raises(ModelError, match="another process"):
            models.remove(tiny, tmp_path)
    finally:
        done.set()
        thread.join()
