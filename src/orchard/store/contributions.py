"""Images that people gave: each under a random code, for a limited time, erasable by that code.

    contributions/<code>.jpg    the image, re-encoded from its pixels
    contributions/<code>.json   how long it is kept, what it was taken for, what it is said to be

Only the code connects an image to the person who gave it: anyone with the code may erase it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone

from orchard.errors import DamagedError, TableError
from orchard.store.damage import noticing
from orchard.store.output import Output

FOLDER = "contributions"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U to mistake
_CODE = re.compile(rf"[{_ALPHABET}]{{4}}(-[{_ALPHABET}]{{4}}){{3}}")
_MISREAD = str.maketrans({"I": "1", "L": "1", "O": "0", " ": "-"})


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


def add(
    output: Output,
    jpeg: bytes,
    *,
    keep_days: int,
    taken_for: str | None = None,
    said_to_be: str | None = None,
) -> Contribution:
    """Store an image; its record first, so that no image is kept without a limit.

    Raises TableError.
    """
    now = datetime.now(timezone.utc)
    until = now + timedelta(days=keep_days)
    given = Contribution(
        new_code(), now.date().isoformat(), until.date().isoformat(), taken_for, said_to_be
    )
    output.put_json(f"{FOLDER}/{given.code}.json", asdict(given))
    output.put(f"{FOLDER}/{given.code}.jpg", jpeg)
    return given


def erase(output: Output, code: str) -> bool:
    """Delete an image and its record; returns whether there was one. Raises TableError."""
    return bool(_delete(output, [code]))


def codes(output: Output) -> list[str]:
    """Of all images that are there, whole or half written."""
    return _codes(output.paths(FOLDER))


def expire(output: Output, today: str | None = None) -> int:
    """Delete the images that have expired; returns how many. today: as 2026-01-31, UTC.

    An image without a record of its limit is not kept. Raises TableError.
    """
    today = today or datetime.now(timezone.utc).date().isoformat()
    there = set(output.paths(FOLDER))
    over = [code for code in _codes(there) if _kept_until(output, code, there) <= today]
    return len(over) if _delete(output, over) else 0


def _codes(paths: Iterable[str]) -> list[str]:
    names = {path.split("/")[-1].split(".")[0] for path in paths}
    return sorted(name for name in names if _CODE.fullmatch(name))


def _kept_until(output: Output, code: str, there: set[str]) -> str:
    record = f"{FOLDER}/{code}.json"
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


def _delete(output: Output, wanted: list[str]) -> int:
    there = {f"{FOLDER}/{code}.{suffix}" for code in wanted for suffix in ("jpg", "json")}
    paths = [path for path in output.paths(FOLDER) if path in there]
    output.delete(paths)
    return len(paths)
