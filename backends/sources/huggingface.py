"""The Hugging Face hub, by its own client: token, mirror (HF_ENDPOINT), proxy and resume are its.

The client retries an unreachable hub for half a minute, so we first ask for each file's metadata
once, under a clock of our own.
"""

import os
import queue
import threading
from pathlib import Path
from typing import Any

from backends.models import HuggingFaceSource, Model, Progress, Report, SourceError

ANSWER_S = 4


def fetch(source: HuggingFaceSource, model: Model, work: Path, report: Report) -> None:
    """Bring the model's files from the hub. Raises SourceError or OSError."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise SourceError("HF_HUB_OFFLINE is set")
    sizes = {file.path: file.size for file in model.files}
    done = 0
    for remote, local in source.files.items():
        target = work / "files" / local
        if not target.is_file() or target.stat().st_size != sizes[local]:
            _check(source, remote, sizes[local])
            start = Progress(model.id, f"{source.repository} {remote}", done, model.size)
            fetched = _download(source, remote, work, start, report)
            target.parent.mkdir(parents=True, exist_ok=True)
            fetched.replace(target)
        done += sizes[local]


def _check(source: HuggingFaceSource, remote: str, size: int) -> None:
    """Raise SourceError unless the hub answers in time and has the file with this size."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT") or None
    url = hf_hub_url(source.repository, remote, revision=source.revision, endpoint=endpoint)
    answers: queue.SimpleQueue[int | Exception | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(get_hf_file_metadata(url, timeout=ANSWER_S, endpoint=endpoint).size)
        except Exception as error:  # noqa: BLE001 (whatever it is, it belongs to the asker)
            answers.put(error)

    # A thread, because a resolver that does not answer is not covered by any HTTP timeout.
    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=ANSWER_S + 1)
    except queue.Empty:
        raise SourceError(f"no answer within {ANSWER_S + 1} seconds") from None
    if isinstance(answer, Exception):
        raise SourceError(_one_line(answer)) from answer
    if answer not in (None, size):
        raise SourceError(f"{remote} has {answer} bytes there, not {size}")


def _download(
    source: HuggingFaceSource, remote: str, work: Path, start: Progress, report: Report
) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils.tqdm import tqdm

    furthest = start.done

    class Bar(tqdm):
        """Tells our report what the client would have drawn.

        The client may run two bars over the same bytes (received, written): the first one counts.
        """

        def __init__(self, *args: Any, **options: Any) -> None:
            self.bytes = start.done + (options.get("initial") or 0)
            super().__init__(*args, **{**options, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            nonlocal furthest
            self.bytes += int(n or 0)
            if self.bytes > furthest:
                furthest = self.bytes
                report(Progress(start.model, start.text, furthest, start.total))

    try:
        return Path(
            hf_hub_download(
                source.repository,
                remote,
                revision=source.revision,
                local_dir=work / "hub",
                etag_timeout=ANSWER_S,
                endpoint=os.environ.get("HF_ENDPOINT") or None,
                tqdm_class=Bar,
            )
        )
    except Exception as error:  # the client's errors have no common base
        raise SourceError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
