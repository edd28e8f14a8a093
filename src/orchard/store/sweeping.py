"""What may be swept from a table's folder: files of Orchard's that no version names any more.

If the log cannot be trusted (see `log.is_cut_short`) or is not Orchard's, nothing may be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from orchard.errors import TableError
from orchard.store import log
from orchard.store.names import is_made, run_of
from orchard.store.snapshot import Table

# What compaction by delta-rs (Orchard 0.1.0) called its files, as others call theirs: swept only
# where the log says that they were the table's.
_COMPACTED = re.compile(r"part-\d{5}-[0-9a-f-]{36}-c\d{3}\.(?:\w+\.)?parquet")


class Leftovers(NamedTuple):
    """Files in a table's folder that it does not name, by Orchard's names and by delta-rs's."""

    made: list[str]
    compacted: list[str]


def leftovers(table: Table) -> Leftovers:
    current = {file.path for file in table.files_left}
    others = sorted(path for path in table.output.everything(table.name) if path not in current)
    made = [path for path in others if is_made(path) and run_of(path)]
    is_compacted = _COMPACTED.fullmatch
    compacted = [path for path in others if is_compacted(path.removeprefix(f"{table.name}/"))]
    return Leftovers(made, compacted)


def sweep(table: Table, noted: Mapping[str, int], left: Leftovers, *, anew: bool = False) -> int:
    """Delete the leftovers in a table's folder; returns how many.

    noted: as `log.noted`. anew: the table was just recomputed, so that files whose commit is
    unknown may go too. Raises TableError.
    """
    made, compacted = left
    if not (made or compacted) or not table.files_left or not table.is_orchards:
        return 0
    unnamed = log.unnamed(table.output, table.name, [*made, *compacted])
    strays = unnamed.intersection(made)
    if not anew and log.is_cut_short(table.output, table.name, table.version, noted, strays):
        return 0
    return table.output.delete(made) + table.output.delete_exactly(
        [path for path in compacted if path not in unnamed]
    )


def check(table: Table, noted: Mapping[str, int], left: Leftovers) -> None:
    """Raises TableError where the end of a table's log is missing."""
    output, name = table.output, table.name
    unnamed = log.unnamed(output, name, left.made)
    if log.is_cut_short(output, name, table.version, noted, unnamed):
        raise TableError(
            f"{output.uri(name)}/_delta_log has lost its last entry, and the remaining "
            f"entries do not name {len(left.made)} files; nothing is deleted. Restore the entry "
            "from a copy, or recompute OUTPUT: orchard run --replace"
        )
