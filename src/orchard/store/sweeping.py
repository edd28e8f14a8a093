"""What may be swept from a table's folder: files of Orchard's that no version names any more.

If the log cannot be trusted (see `log.is_cut_short`) or is not Orchard's, nothing may be.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from orchard.errors import TableError
from orchard.store import log
from orchard.store.names import is_made, run_of
from orchard.store.output import Output

# What compaction by delta-rs (Orchard 0.1.0) called its files, as others call theirs: swept only
# where the log says that they were the table's.
_COMPACTED = re.compile(r"part-\d{5}-[0-9a-f-]{36}-c\d{3}\.(?:\w+\.)?parquet")


def sweep(
    output: Output, table: str, version: int, current: Collection[str], *, anew: bool = False
) -> int:
    """Delete the leftovers in a table's folder; returns how many.

    version, current: of the table, and the files it names. anew: the table was just recomputed, so
    that files whose commit is unknown may go too. Raises TableError.
    """
    if not current or not log.is_orchards(output, table):
        return 0
    made, compacted = _leftovers(output, table, current)
    unnamed = log.unnamed(output, table, [*made, *compacted])
    if not anew and log.is_cut_short(output, table, version, unnamed.intersection(made)):
        return 0
    return output.delete(made) + output.delete_exactly(
        [path for path in compacted if path not in unnamed]
    )


def check(output: Output, table: str, version: int, current: Collection[str]) -> None:
    """Raises TableError where the end of a table's log is missing."""
    made, _ = _leftovers(output, table, current)
    if log.is_cut_short(output, table, version, log.unnamed(output, table, made)):
        raise TableError(
            f"{output.uri(table)}/_delta_log has lost its last entry, and the remaining "
            f"entries do not name {len(made)} files; nothing is deleted. Restore the entry from a "
            "copy, or recompute OUTPUT: orchard run --replace"
        )


def _leftovers(output: Output, table: str, current: Collection[str]) -> tuple[list[str], list[str]]:
    """Files that the table does not name, by Orchard's names and by those of delta-rs."""
    others = sorted(path for path in output.everything(table) if path not in current)
    made = [path for path in others if is_made(path) and run_of(path)]
    return made, [p for p in others if _COMPACTED.fullmatch(p.removeprefix(f"{table}/"))]
