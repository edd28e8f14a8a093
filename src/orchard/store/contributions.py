"""Images that people gave: each under a random code, for a limited time, erasable by that code.

    contributions/<hash>.jpg    the image, re-encoded from its pixels
    contributions/<hash>.json   how long it is kept, what it was taken for, what it is said to be

Only the code connects an image to the person who gave it: anyone with the code may erase it. So the
code itself is kept nowhere: the files are named after its SHA-256, and on a disk their owner alone
can read them. Up to 0.1.0 the code was the name; such files are found, and expire, as before.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone

from orchard.errors import DamagedError, TableError
from orchard.store.damage import noticing, to_json
from orchard.store.output import Output

FOLDER = "contributions"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U to mistake
_CODE = re.compile(rf"[{_ALPHABET}]{{4}}(-[{_ALPHABET}]{{4}}){{3}}")
_MISREAD = str.maketrans({"I": "1", "L": "1", "O": "0", " ": "-"})
_SUFFIXES = ("jpg", "json")
_PARTIAL = "part"


@dataclass(frozen=True, slots=True)
class Contribution:
    """taken_for: the answer it got. said_to_be: by whoever gave it, or None. Times are UTC."""

    code: str
    given: str
    kept_until: str
    taken_for: str | None = None
    said_to_be: str | None = None


def new_code() -> str:
    """80 random bits, as four groups of four."""
    digits = "".join(secrets.choice(_ALPHABET) for _ in range(16))
    return "-".join(digits[at : at + 4] for at in range(0, 16, 4))


def parse_code(text: str) -> str | None:
    """A code from text typed by hand, or None if it is not one."""
    code = text.strip().upper().translate(_MISREAD)
    return code if _CODE.fullmatch(code) else None


def name_of(code: str) -> str:
    """What an image's files are named: nobody can tell the code from it, of 2**80 there are."""
    return hashlib.sha256(f"orchard contribution {code}".encode()).hexdigest()[:32]


def add(
    output: Output,
    jpeg: bytes,
    *,
    keep_days: int,
    taken_for: str | None = None,
    said_to_be: str | None = None,
    code: str | None = None,
) -> Contribution:
    """Store an image; its record first, so that no image is kept without a limit.

    code: of `new_code`; default a new one. Raises TableError.
    """
    now = datetime.now(timezone.utc)
    until = now + timedelta(days=keep_days)
    given = Contribution(
        code or new_code(), now.date().isoformat(), until.date().isoformat(), taken_for, said_to_be
    )
    record = {name: value for name, value in asdict(given).items() if name != "code"}
    place = f"{FOLDER}/{name_of(given.code)}"
    output.put_private(f"{place}.json", to_json(record).encode("utf-8", "backslashreplace"))
    output.put_private(f"{place}.jpg", jpeg)
    return given


def erase(output: Output, code: str) -> bool:
    """Delete an image and its record; returns whether there was one. Raises TableError."""
    there = [path for path in _paths(code) if output.find(path) is not None]
    return output.delete(there) > 0


def is_kept(output: Output, code: str) -> bool:
    """Whether there is an image of this code, whole or half written. Raises TableError."""
    return any(output.find(path) is not None for path in _paths(code))


def kept(output: Output) -> list[str]:
    """The names of all images that are there, whole or half written. Raises TableError."""
    return _names(output.paths(FOLDER))


def expire(output: Output, today: str | None = None) -> int:
    """Delete the images that have expired; returns how many. today: as 2026-01-31, UTC.

    An image without a record of its limit is not kept. Raises TableError.
    """
    today = today or datetime.now(timezone.utc).date().isoformat()
    there = set(output.paths(FOLDER))
    over = {name for name in _names(there) if _kept_until(output, name, there) <= today}
    gone = [path for path in there if _name(path) in over and not path.endswith(f".{_PARTIAL}")]
    return len(over) if output.delete(gone) else 0


def tidy(output: Output) -> None:
    """What a server does before it begins: others stay out, and half written files go.

    Raises TableError.
    """
    output.close_to_others(FOLDER)
    output.delete([path for path in output.paths(FOLDER) if path.endswith(f".{_PARTIAL}")])


def _paths(code: str) -> list[str]:
    return [f"{FOLDER}/{name}.{suffix}" for name in (name_of(code), code) for suffix in _SUFFIXES]


def _name(path: str) -> str:
    return path.split("/")[-1].split(".")[0]


def _names(paths: Iterable[str]) -> list[str]:
    return sorted({_name(path) for path in paths if path.endswith(_SUFFIXES)})


def _kept_until(output: Output, name: str, there: set[str]) -> str:
    record = f"{FOLDER}/{name}.json"
    try:
        if record not in there:
            return ""
        stored = output.get_json(record)
        with noticing(output.root, record):
            return str(stored["kept_until"])
    except DamagedError:
        return ""
    except TableError:  # erased meanwhile, or out of reach: looked at again the next time
        return "9999"
