"""A folder of the user's that already holds the model's files."""

from pathlib import Path

from backends.models import CHUNK, LocalSource, Model, Progress, Report, SourceError


def fetch(source: LocalSource, model: Model, work: Path, report: Report) -> None:
    """Copy the model's files. Raises SourceError if one is missing or has another size.

    Copied, not linked: what the user later does to their folder must not change a verified model.
    """
    place = Path(source.path).expanduser()
    for file in model.files:
        if not (place / file.path).is_file():
            raise SourceError(f"{file.path} is not there")
        if (size := (place / file.path).stat().st_size) != file.size:
            raise SourceError(f"{file.path} has {size} bytes, not {file.size}")
    done = 0
    for file in model.files:
        target = work / "files" / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with (place / file.path).open("rb") as original, target.open("wb") as copy:
            while chunk := original.read(CHUNK):
                copy.write(chunk)
                done += len(chunk)
                report(Progress(model.id, f"copying from {place}", done, model.size))
