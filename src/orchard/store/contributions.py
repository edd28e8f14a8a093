"""Images that people gave: each under a random code, for a limited time, erasable by that code.

    contributions/<hash>.jpg    the image, re-encoded from its pixels
    contributions/<hash>.json   how long it is kept, what it was taken for, what it is said to be,
                                what whoever looked at it made of it (see `reviews`)

An accepted photo lies in `accepted` instead, and leaves with its record. Only the code connects an
image to the person who gave it: anyone with the code may erase it. So the code itself is kept
nowhere: the files are named after its SHA-256, and on a disk their owner alone can read them. Up to
0.1.0 the code was the name; such files are found, and expire, as before.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from orchard.errors import DamagedError, TableError
from orchard.store import accepted
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
    """taken_for: the answer it got. said_to_be: by whoever gave it, or None. giver: equal for
    photos of one browser, None where it did not say. Times are UTC."""

    code: str
    given: str
    kept_until: str
    taken_for: str | None = None
    said_to_be: str | None = None
    giver: str | None = None


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


def giver_of(secret: str) -> str:
    """How a giver is stored: 16 hexadecimal digits that do not tell the browser's own secret."""
    return hashlib.sha256(f"orchard giver {secret}".encode()).hexdigest()[:16]


def add(
    output: Output,
    jpeg: bytes,
    *,
    keep_days: int,
    taken_for: str | None = None,
    said_to_be: str | None = None,
    giver: str | None = None,
    code: str | None = None,
) -> Contribution:
    """Store an image; its record first, so that no image is kept without a limit.

    code: of `new_code`; default a new one. Raises TableError.
    """
    now = datetime.now(timezone.utc)
    until = now + timedelta(days=keep_days)
    given = Contribution(
        code or new_code(), now.date().isoformat(), until.date().isoformat(), taken_for,
        said_to_be, giver,
    )  # fmt: skip
    record = {name: value for name, value in asdict(given).items() if name != "code"}
    place = f"{FOLDER}/{name_of(given.code)}"
    put_record(output, f"{place}.json", record)
    output.put_private(f"{place}.jpg", jpeg)
    return given


def correct(output: Output, code: str, said_to_be: str | None) -> bool:
    """Note what an image is said to be; whether there is one of this code. Raises TableError."""
    for path in _paths(code):
        if path.endswith(".json") and output.find(path) is not None:
            put_record(output, path, output.get_json(path) | {"said_to_be": said_to_be})
            return True
    return False


def put_record(output: Output, path: str, record: dict[str, Any]) -> None:
    output.put_private(path, to_json(record).encode("utf-8", "backslashreplace"))


def erase(output: Output, code: str, *, rows_later: bool = False) -> bool:
    """Delete an image, its record and what runs have read of it; returns whether there was one.

    The image itself goes first. rows_later: where the tables are in use, `expire` erases its rows.
    Raises TableError.
    """
    names = {name_of(code), code}
    return withdraw(output, names, rows_later=rows_later) > 0


def withdraw(output: Output, names: Collection[str], *, rows_later: bool = False) -> int:
    """Erase the images of these names; how many there were. As `erase`."""
    there = [path for path in _everything(output) if _name(path) in names]
    records = [path for path in there if path.endswith(".json")]
    pictures = [path for path in there if not path.endswith((".json", f".{_PARTIAL}"))]
    files = {path for path in pictures if path.startswith(f"{accepted.FOLDER}/")}
    for path in records:
        files |= _leave(output, path, files)
    output.delete(pictures)
    if files:
        try:
            accepted.forget(output, files)
        except TableError:
            if not rows_later:
                raise
            return len({_name(path) for path in there})
    output.delete(records)
    return len({_name(path) for path in there})


def _leave(output: Output, path: str, files: set[str]) -> set[str]:
    """What a record says was read by runs; it says so until that has left the tables too."""
    own = {file for file in files if _name(file) == _name(path)}
    try:
        before = output.get_json(path)
    except TableError:  # damaged: it goes all the same
        before = {}
    left = {str(file) for file in before.get("leaving", [])} | own
    if own:
        put_record(output, path, {"kept_until": "", "leaving": sorted(left)})
    return left


def is_kept(output: Output, code: str) -> bool:
    """Whether there is an image of this code, whole or half written. Raises TableError."""
    return any(output.find(path) is not None for path in _paths(code))


def kept(output: Output) -> list[str]:
    """The names of all images that are there, whole or half written. Raises TableError."""
    return _names(_everything(output))


def expire(output: Output, today: str | None = None) -> int:
    """Erase the images that have expired, and those that were dropped before today; returns how
    many. today: as 2026-01-31, UTC.

    An image without a record of its limit is not kept. Raises TableError.
    """
    today = today or datetime.now(timezone.utc).date().isoformat()
    there = set(_everything(output))
    over = {name for name in _names(there) if _kept_until(output, name, there, today) <= today}
    return withdraw(output, over) if over else 0


def tidy(output: Output) -> None:
    """What a server does before it begins: others stay out, and half written files go.

    Raises TableError.
    """
    for folder in (FOLDER, accepted.FOLDER):
        output.close_to_others(folder)
    output.delete([path for path in _everything(output) if path.endswith(f".{_PARTIAL}")])


def _everything(output: Output) -> list[str]:
    return [*output.paths(FOLDER), *output.paths(accepted.FOLDER)]


def _paths(code: str) -> list[str]:
    return [f"{FOLDER}/{name}.{suffix}" for name in (name_of(code), code) for suffix in _SUFFIXES]


def _name(path: str) -> str:
    return accepted.name_of(path) or path.split("/")[-1].split(".")[0]


def _names(paths: Iterable[str]) -> list[str]:
    return sorted({_name(path) for path in paths if path.endswith(_SUFFIXES)})


def _kept_until(output: Output, name: str, there: set[str], today: str) -> str:
    record = f"{FOLDER}/{name}.json"
    try:
        if record not in there:
            return ""
        stored = output.get_json(record)
        with noticing(output.root, record):
            dropped = stored.get("decision") == "drop" and stored["decided"] < today
            return "" if dropped else str(stored["kept_until"])
    except DamagedError:
        return ""
    except TableError:  # erased meanwhile, or out of reach: looked at again the next time
        return "9999"
