"""What whoever runs a server makes of the photos that people gave: accept, relabel or drop.

A decision lies in the photo's own record (`decision`, `label`, `decided`), and so leaves with the
photo. An accepted or relabelled photo moves to `accepted`, where the next run reads it; a later
decision moves it back. A dropped one stays until tomorrow, so that one may think again, and is then
deleted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, get_args

from orchard.errors import ConfigError, TableError
from orchard.store import accepted
from orchard.store.contributions import FOLDER, put_record
from orchard.store.output import Output

Decision = Literal["accept", "relabel", "drop"]
_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
DECISIONS: tuple[Decision, ...] = get_args(Decision)


@dataclass(frozen=True, slots=True)
class Given:
    """A photo that somebody gave. name: of its files. decision: None while it waits. label: under
    which it was accepted."""

    name: str
    given: str
    kept_until: str
    taken_for: str | None = None
    said_to_be: str | None = None
    giver: str | None = None
    decision: str | None = None
    label: str | None = None


def listed(output: Output) -> list[Given]:
    """All photos that are kept, the oldest first. What is damaged is left out, and what is of 0.1.0
    and named by its code; both expire.

    Raises TableError where OUTPUT cannot be read.
    """
    found = []
    for path in output.paths(FOLDER):
        if path.endswith(".json") and _NAME.fullmatch(_name(path)):
            try:
                record = output.get_json(path)
            except TableError:  # erased meanwhile, or damaged
                continue
            if record.get("given") and "leaving" not in record:
                found.append(_given(path, record))
    return sorted(found, key=lambda one: (one.given, one.name))


def photo(output: Output, name: str) -> bytes | None:
    """The bytes of a photo as they are stored; None where there is none. Raises TableError."""
    path = _picture(output, name)
    return output.find(path) if path else None


def decide(output: Output, name: str, decision: str, label: str | None = None) -> Given | None:
    """Note a decision, and move the photo where it then belongs; None where there is none.

    label: of an accepted or relabelled photo. Raises ConfigError, TableError.
    """
    if decision not in DECISIONS:
        raise ConfigError(f"decision {decision!r}: expected one of {', '.join(DECISIONS)}")
    record_path, picture = f"{FOLDER}/{name}.json", _picture(output, name)
    if picture is None or output.find(record_path) is None:
        return None
    record = output.get_json(record_path)
    if decision == "drop":
        label, target = None, f"{FOLDER}/{name}.jpg"
    else:
        target = accepted.place(label or "", record.get("giver"), name)
    today = datetime.now(timezone.utc).date().isoformat()
    record |= {"decision": decision, "label": label, "decided": today}
    put_record(output, record_path, record)
    if target != picture:
        output.put_private(target, bytes(output.get(picture)))
        output.delete([picture])
    return _given(record_path, record)


def _name(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json")


def _picture(output: Output, name: str) -> str | None:
    if not _NAME.fullmatch(name):
        return None
    places = [f"{FOLDER}/{name}.jpg", *output.paths(accepted.FOLDER)]
    ours = (path for path in places if path == places[0] or accepted.name_of(path) == name)
    return next((path for path in ours if output.find(path) is not None), None)


def _given(path: str, record: dict[str, Any]) -> Given:
    fields = {field: record.get(field) for field in Given.__slots__ if field != "name"}
    return Given(_name(path), **fields)  # type: ignore[arg-type]
