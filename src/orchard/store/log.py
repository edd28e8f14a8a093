"""A table's transaction log, read as the files it consists of: who wrote it, and whether its end is
missing.

`_versions.json` holds the version of each table after its last commit. A log that ends earlier has
lost entries (an incomplete copy, a restored backup): the files that those named look like the
leftovers of a killed run, and must not be swept as such. Results of Orchard 0.1.0 have no such
file; there the sign is a run that has stored its record but whose files no entry names.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from orchard.storage.results import RUN_KEY
from orchard.store.damage import from_json
from orchard.store.names import VERSIONS, run_of
from orchard.store.output import Output

_MADE_WITH = "delta.dataSkippingNumIndexedCols"


def entries(output: Output, table: str) -> Iterator[list[dict[str, Any]]]:
    """The actions of each entry of a table's log that is there, newest first."""
    for path in reversed(_entry_paths(output, table)):
        found = []
        for line in (output.find(path) or b"").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        yield [action for action in found if isinstance(action, dict)]


def commits(output: Output, table: str) -> Iterator[dict[str, str]]:
    """What each commit by a run or an erasure said of itself, newest first."""
    for actions in entries(output, table):
        for action in actions:
            info = action.get("commitInfo", {})
            if found := {k: v for k, v in info.items() if k.startswith("orchard.")}:
                yield found


def run_ids(output: Output, table: str) -> list[str]:
    """The runs and erasures that committed to a table, the last one first."""
    return [facts[RUN_KEY] for facts in commits(output, table)]


def is_orchards(output: Output, table: str) -> bool:
    """Whether a table's log is one that Orchard wrote, or has just begun."""
    if any(RUN_KEY in facts for facts in commits(output, table)):
        return True
    found = list(entries(output, table))
    return len(found) == 1 and any(
        _MADE_WITH in action.get("metaData", {}).get("configuration", {}) for action in found[0]
    )


def unnamed(output: Output, table: str, paths: Iterable[str]) -> set[str]:
    """Those of the files that no entry of the log adds or removes, in whatever version."""
    left = set(paths)
    for actions in entries(output, table) if left else ():
        for action in actions:
            for kind in ("add", "remove"):
                if kind in action:
                    left.discard(f"{table}/{action[kind]['path']}")
        if not left:
            break
    return left


def noted(output: Output) -> dict[str, int]:
    """The version of each table after its last commit; of a damaged note none."""
    try:
        found = from_json(output.find(VERSIONS) or b"{}")
        return {table: int(version) for table, version in found.items()}
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError):
        return {}


def note(output: Output, versions: Mapping[str, int]) -> None:
    """Remember the tables' versions after a commit."""
    output.put_json(VERSIONS, dict(versions))


def is_cut_short(
    output: Output, table: str, version: int, known: Mapping[str, int], strays: Collection[str]
) -> bool:
    """Whether the end of a table's log is missing.

    version: that the log gives, -1 for no log. known: as `noted`. strays: files of the table's
    folder that Orchard made and that the log names nowhere.
    """
    if table in known:
        return version < known[table] and (version >= 0 or bool(strays))
    stored = set(output.paths("runs")) if strays else set()
    return any(f"runs/{run_of(path)}.json" in stored for path in strays)


def _entry_paths(output: Output, table: str) -> list[str]:
    found = output.paths(f"{table}/_delta_log")
    return [path for path in found if path.endswith(".json") and ".checkpoint." not in path]
