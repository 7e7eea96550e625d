"""Archives fetched and unpacked one after the other, so that an interruption costs at most one.

Members are appended to the model's files as they come, which needs disk for the model and one
archive rather than for everything twice. A journal says how far the files can be trusted; what was
appended after its last entry is cut off when work resumes.
"""

import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from backends.models import CHUNK, Archive, Model, Progress, Report, SourceError

Download = Callable[[Archive, Path, Callable[[int], None]], Path]
"""Fetch one archive into an empty folder, calling back with the bytes so far; return its path."""


class _Journal(Struct):
    """`done`: archives fully unpacked. `sizes`: bytes of each file at that moment."""

    done: int = 0
    sizes: dict[str, int] = {}


def fetch_archives(
    archives: list[Archive], model: Model, work: Path, report: Report, download: Download
) -> None:
    """Fill `work / "files"` from the archives. Raises SourceError or OSError."""
    journal = _resume(work)
    total = sum(archive.size for archive in archives)
    for position, archive in enumerate(archives):
        if position < journal.done:
            continue
        text = f"{archive.package} {archive.version}"
        before = sum(earlier.size for earlier in archives[:position])

        def at(done: int, text: str = text, before: int = before) -> None:
            report(Progress(model.id, text, before + done, total))

        at(0)
        scratch = work / "archive"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            path = download(archive, scratch, at)
            at(archive.size)
            _unpack(path, archive, model, work / "files")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        _save(work, position + 1)


def _resume(work: Path) -> _Journal:
    files = work / "files"
    files.mkdir(parents=True, exist_ok=True)
    try:
        journal = msgspec.json.decode((work / "journal.json").read_bytes(), type=_Journal)
        if all((files / path).stat().st_size >= size for path, size in journal.sizes.items()):
            for path in _files_in(files):
                os.truncate(path, journal.sizes.get(str(path.relative_to(files)), 0))
            return journal
    except (OSError, msgspec.MsgspecError):
        pass
    shutil.rmtree(files)
    files.mkdir()
    return _Journal()


def _save(work: Path, done: int) -> None:
    files = work / "files"
    sizes = {str(path.relative_to(files)): path.stat().st_size for path in _files_in(files)}
    fresh = work / "journal.json.new"
    fresh.write_bytes(msgspec.json.encode(_Journal(done, sizes)))
    fresh.replace(work / "journal.json")


def _files_in(files: Path) -> list[Path]:
    return [path for path in files.rglob("*") if path.is_file()]


def _unpack(path: Path, archive: Archive, model: Model, files: Path) -> None:
    """Append the named members. Raises SourceError if one is missing, damaged or too long."""
    caps = {file.path: file.size for file in model.files}
    try:
        with _opener(path) as open_member:
            for member, name in archive.members.items():
                target = files / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with open_member(member) as source, target.open("ab") as sink:
                    while chunk := source.read(CHUNK):
                        if sink.tell() + len(chunk) > caps[name]:
                            raise SourceError(f"{archive.package}: {member} is too long")
                        sink.write(chunk)
    except KeyError:
        raise SourceError(f"{archive.package}: {member} is not in the archive") from None
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise SourceError(f"{archive.package}: damaged archive ({error})") from error


@contextmanager
def _opener(path: Path) -> Iterator[Callable[[str], IO[bytes]]]:
    """A function that opens a member by its exact name, or raises KeyError."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            yield wheel.open
    else:
        with tarfile.open(path, "r:gz") as tarball:

            def open_member(name: str) -> IO[bytes]:
                # A link could point anywhere, and extractfile would follow it inside the archive.
                info = tarball.getmember(name)
                stream = tarball.extractfile(info) if info.isreg() else None
                if stream is None:
                    raise KeyError(name)
                return stream

            yield open_member
