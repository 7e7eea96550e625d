"""Logs: one JSON object a line on standard error; fields come as `extra={"fields": {...}}`."""

import logging
import sys
from datetime import UTC, datetime

import msgspec

encode = msgspec.json.Encoder(enc_hook=str).encode


class JsonLine(logging.Formatter):
    """`{"time", "level", "event", ...fields}`; times are UTC."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return encode(line).decode()


class Words(logging.Formatter):
    """The same for a person who is watching."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        line = f"{record.levelname.lower()}: {record.getMessage()} {told}".rstrip()
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def line(event: str, fields: dict[str, object]) -> None:
    """The line of one request, past the machinery of `logging`, which costs ten times the line."""
    told = {"time": datetime.now(UTC), "level": "info", "event": event, **fields}
    sys.stderr.write(encode(told).decode() + "\n")


def configure() -> None:
    """For the whole process."""
    # What a line costs is paid by every request: leave out what no formatter here shows.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # the documented way to have no look at the call stack
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Words() if sys.stderr.isatty() else JsonLine())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("compat_server").setLevel(logging.INFO)
