"""Logs as JSON lines on standard error, without personal data.

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


def configure(*, quiet: bool) -> None:
    """Send all lines to standard error, also those of libraries, warnings and threads.

    quiet: no line for a request.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
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
