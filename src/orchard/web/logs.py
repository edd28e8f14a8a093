"""Logs on standard error, without personal data: JSON lines, or words where a person reads them.

A line of a request holds its method, route (never the address as it was sent), status, times and
sizes. No address of a client, no file name, no query, no browser is written anywhere.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import datetime, timezone
from typing import Any

from orchard.printable import printable

REQUESTS = "orchard.web.requests"


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, Any] = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)  # ASCII, which every locale can write


class PlainLines(logging.Formatter):
    """The same facts on a line that is read at a glance: 14:15:00 POST /api/identify 200 0.12 s."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        fields = getattr(record, "fields", {})
        if record.name == REQUESTS and fields:
            said = "{method} {route} {status} {seconds:.2f} s".format_map(fields)
        else:
            said = " ".join(
                [record.getMessage(), *(f"{name}={value}" for name, value in fields.items())]
            )
        if record.levelno >= logging.WARNING:
            said = f"{record.levelname.lower()}: {said}"
        if record.exc_info and record.exc_info[0] is not None:
            said += f"\n{self.formatException(record.exc_info)}"
        return f"{when} " + "\n".join(map(printable, said.splitlines()))


def formatter(is_terminal: bool) -> logging.Formatter:
    return PlainLines() if is_terminal else JsonLines()


def configure(*, quiet: bool) -> None:
    """Send all lines to standard error, also those of libraries, warnings and threads.

    quiet: no line for a request.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(sys.stderr.isatty()))
    logging.captureWarnings(True)
    logging.getLogger().handlers = [handler]
    threading.excepthook = _thread_failed
    sys.unraisablehook = _unraisable
    for name in ("uvicorn", "orchard.web"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    # What it says of an image is told to whoever sent it, who could fill the log with it.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    if quiet:
        logging.getLogger(REQUESTS).setLevel(logging.WARNING)


def _thread_failed(args: threading.ExceptHookArgs) -> None:
    _failed("a thread failed", args.exc_type, args.exc_value, args.exc_traceback)


def _unraisable(args: Any) -> None:
    _failed("an error that nobody can handle", args.exc_type, args.exc_value, args.exc_traceback)


def _failed(message: str, kind: Any, value: Any, trace: Any) -> None:
    logging.getLogger("orchard.web").error(message, exc_info=(kind, value or kind(), trace))
