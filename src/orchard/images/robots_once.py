"""A server's robots.txt, asked for once by all processes of a user on this machine, for an hour.

It lies in the folder of the turns (see `web_turns`), in a file that is locked while one asks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from orchard.images.robots import Robots
from orchard.images.web_turns import file_of, locked
from orchard.records import Failure

SECONDS = 3600.0  # RFC 9309 wants less than a day
KNOWN = 4096  # servers that a process keeps

_known: dict[str, tuple[float, Robots]] = {}


def remembered(place: str, ask: Callable[[], str | Failure]) -> Robots | Failure:
    """The rules at a robots.txt. ask: the text, from the server."""
    now = time.time()
    told, rules = _known.get(place, (0.0, Robots()))
    if 0 <= now - told < SECONDS:
        return rules
    with locked(file_of(place, "robots")) as descriptor:
        told, text = _read(descriptor, place)
        if not 0 <= now - told < SECONDS:
            said = ask()
            if isinstance(said, Failure):  # which the next image may not meet
                return said
            told, text = time.time(), said
            _write(descriptor, place, told, text)
    if len(_known) >= KNOWN:
        _known.clear()
    _known[place] = told, Robots.parsed(text)
    return _known[place][1]


def forget(place: str) -> None:
    """Ask again at the next image."""
    _known.pop(place, None)
    file_of(place, "robots").unlink(missing_ok=True)


def _read(descriptor: int, place: str) -> tuple[float, str]:
    """When the text was told, and it; the file is shared by some servers, and has that of one."""
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode("utf-8", "replace")
    named, _, rest = data.partition("\n")
    moment, _, text = rest.partition("\n")
    try:
        return (float(moment), text) if named == place else (0.0, "")
    except ValueError:
        return 0.0, ""


def _write(descriptor: int, place: str, told: float, text: str) -> None:
    data = f"{place}\n{told:.3f}\n{text}".encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, data, 0)
