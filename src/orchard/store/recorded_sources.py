"""The sources that a result's runs record, and what of this machine may be read for their sake."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any

from orchard.errors import TableError
from orchard.images.confines import Confines, trusted
from orchard.images.source import absolute
from orchard.storage import is_remote
from orchard.store.output import Output

FIELD = "sources"  # of a run's record: absolute, unlike those of its settings
_REQUESTS_AT_ONCE = 16


def confines(output: Output, given: Iterable[str] = ()) -> Confines:
    """Where the images of a result may be read.

    given: below these alone, where the user names any.
    """
    if named := tuple(map(absolute, given)):
        return Confines(named, output.root)
    return Confines(trusted(recorded(output)), output.root)


def recorded(output: Output) -> list[str]:
    """Every source of every run, absolute. Of a record that is damaged there are none."""
    paths = [path for path in output.paths("runs") if path.endswith(".json")]
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        found = list(pool.map(lambda path: _of(output, path), paths))
    return list(dict.fromkeys(one for sources in found for one in sources))


def _of(output: Output, path: str) -> list[str]:
    try:
        record = output.get_json(path)
        stored = record.get(FIELD)
        if stored is None:
            stored = _older(output.root, record["config"])
        return [one for one in stored if isinstance(one, str)]
    except (TableError, KeyError, TypeError, AttributeError):
        return []


def _older(root: str, config: dict[str, Any]) -> list[str]:
    """Of a record with sources as they were typed (0.1.0): relative ones from where OUTPUT was."""
    folder = _working_folder(root, str(config["output"]))
    kept = []
    for one in map(str, config["sources"]):
        if is_remote(one) or one.startswith(("/", "~")):
            kept.append(absolute(one))
        elif folder is not None:
            kept.append(absolute(f"{folder}/{one}"))
    return kept


def _working_folder(root: str, typed: str) -> str | None:
    """The folder a run was started in: its OUTPUT less what was typed; None where that is moot."""
    parts, wanted = PurePosixPath(root).parts, PurePosixPath(typed).parts
    if is_remote(root) or is_remote(typed) or typed.startswith(("/", "~")) or ".." in wanted:
        return None
    return str(PurePosixPath(*parts[: len(parts) - len(wanted)])) if _ends(parts, wanted) else None


def _ends(parts: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return len(wanted) < len(parts) and parts[len(parts) - len(wanted) :] == wanted
