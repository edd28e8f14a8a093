"""What a table holds now, as its Delta log says: read with delta-rs, and held against a digest.

Each commit notes a digest of its version and its files' names in the log itself, so that entries
that were lost, emptied or changed are noticed whenever a table is opened.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, Transaction
from deltalake.exceptions import DeltaError, DeltaProtocolError, TableNotFoundError

from orchard.errors import TableError, first_line
from orchard.records import COMPONENTS, ERRORS, FEATURES, GONE, THUMBNAILS
from orchard.storage.results import RUN_KEY
from orchard.store import log
from orchard.store.damage import damaged, noticing
from orchard.store.output import Output

SCHEMAS = {
    "features": FEATURES,
    "errors": ERRORS,
    "components": COMPONENTS,
    "gone": GONE,
    "thumbnails": THUMBNAILS,
}
_FILE_NAME = re.compile(r"[A-Za-z0-9][\w.-]*\.parquet", re.ASCII)
_STATE = "orchard/state"  # an application id of Delta's; its version is a digest, see `_state`


@dataclass(frozen=True, slots=True)
class TableFile:
    """A Parquet file of a table: path relative to OUTPUT, rows, bytes. kept: of one that is to be
    committed, the columns that a manifest gave."""

    path: str
    n_rows: int
    n_bytes: int
    kept: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Table:
    """A table at one version: what its log says of it, read once.

    version: -1 where there is no table. least_version: the one that its last commit noted beside
    it. opened: delta-rs's handle, for the next commit.
    """

    output: Output
    name: str
    version: int
    least_version: int
    files_left: tuple[TableFile, ...]
    opened: DeltaTable | None = field(repr=False, compare=False)

    @classmethod
    def at(cls, output: Output, name: str, least_version: int = -1) -> Table:
        """The table's last version. Raises TableError, and DamagedError where its log is damaged
        or names anything but files of the table's own folder."""
        return cls.of(output, name, open_table(output, name), least_version)

    @classmethod
    def of(
        cls, output: Output, name: str, opened: DeltaTable | None, least_version: int = -1
    ) -> Table:
        """The version that an open table is at. Raises as `at`."""
        if opened is None:
            return cls(output, name, -1, least_version, (), None)
        with reading_log(output, name):
            version, files = opened.version(), _files(opened, name)
        return cls(output, name, version, least_version, files, opened)

    @property
    def files(self) -> tuple[TableFile, ...]:
        """The files of the table's current version, by path; none where there is no table.

        Raises DamagedError where the log has lost its last entry: without that it would pass for
        the table as it was before. `files_left` are the files in that case too.
        """
        if self.opened is not None and self.version < self.least_version:
            where = f"{self.name}/_delta_log"
            raise damaged(self.output.root, where, "it has lost its last entry")
        return self.files_left

    def after_commit(
        self, opened: DeltaTable, version: int, facts: Mapping[str, str] | None
    ) -> Table:
        """The table as a commit has made it: of this version, with these facts."""
        with reading_log(self.output, self.name):
            opened.update_incremental()
        after = Table.of(self.output, self.name, opened, version)
        if facts is not None:
            after.__dict__["facts"] = facts
        return after

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns that a manifest gave."""
        known = () if self.opened is None else self.opened.schema().fields
        own = SCHEMAS[self.name].names
        return tuple(column.name for column in known if column.name not in own)

    @property
    def names(self) -> set[str]:
        """Of its files, in its folder."""
        return {file.path.rpartition("/")[2] for file in self.files}

    @property
    def n_rows(self) -> int:
        return sum(file.n_rows for file in self.files)

    @cached_property
    def facts(self) -> Mapping[str, str]:
        """What the last commit by a run or an erasure said of itself; empty where there is none.

        "orchard.run_id" names the content: compaction changes a table's version and files, not
        this.
        """
        return next(log.commits(self.output, self.name), {})

    @cached_property
    def is_orchards(self) -> bool:
        """Whether Orchard made it."""
        return RUN_KEY in self.facts or log.is_orchards(self.output, self.name)


def open_table(output: Output, table: str) -> DeltaTable | None:
    """A table at its last version; None where there is none. Raises TableError."""
    with reading_log(output, table):
        try:
            return DeltaTable(output.url(table), storage_options=output.delta_options)
        except TableNotFoundError:
            return None


def state(version: int, names: set[str]) -> Transaction:
    """What goes with the commit of a version, for its files to be held against."""
    return Transaction(_STATE, _state(version, names))


def _files(opened: DeltaTable, table: str) -> tuple[TableFile, ...]:
    actions = pa.table(opened.get_add_actions(flatten=True))
    found = [
        _named(table, action)
        for action in actions.select(["path", "num_records", "size_bytes"]).to_pylist()
    ]
    _check_log(opened, {file.path.rpartition("/")[2] for file in found})
    return tuple(sorted(found, key=lambda file: file.path))


@contextmanager
def reading_log(output: Output, table: str) -> Iterator[None]:
    """Raises DamagedError where delta-rs cannot make sense of a log, TableError where it cannot
    reach it."""
    try:
        with noticing(output.root, f"{table}/_delta_log"), _telling_requests(output, table):
            yield
    except DeltaProtocolError as error:
        raise damaged(output.root, f"{table}/_delta_log", first_line(error)) from error
    except (DeltaError, OSError) as error:
        if "Json error" in str(error):  # of an entry that is cut off
            raise damaged(output.root, f"{table}/_delta_log", first_line(error)) from error
        raise TableError(f"cannot read {output.uri(table)}: {first_line(error)}") from error
    except TableError:
        raise
    except Exception as error:  # delta-rs has no one class for what it cannot parse
        raise damaged(output.root, f"{table}/_delta_log", first_line(error)) from error


@contextmanager
def _telling_requests(output: Output, table: str) -> Iterator[None]:
    """Raises TableError where a request of delta-rs failed, for which it has no one class either:
    a bucket that may not be read is no damage."""
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split())
        is_request = re.search(r"Error performing|Generic S3 error", said)
        if output.is_local or not is_request or "not found" in said:  # what is lost is damage
            raise
        raise TableError(f"cannot read {output.uri(table)}: {said[:300]}") from error


def _state(version: int, names: set[str]) -> int:
    """What a table's log is held against: 63 bits over its version and its files' names."""
    digest = hashlib.sha256("\n".join([str(version), *sorted(names)]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _check_log(opened: DeltaTable, names: set[str]) -> None:
    """Raises ValueError where entries of the log are lost or damaged.

    Delta reads an entry without actions, such as one that was emptied, as nothing to do. Tables of
    0.1.0 have no state to compare, and what another program adds on purpose is its own affair.
    """
    stored = opened.transaction_version(_STATE)
    if stored is None or stored == _state(opened.version(), names):
        return
    last = next(iter(opened.history(1)), {})
    is_foreign = (
        last.get("version") == opened.version()
        and last.get("operation", "CREATE TABLE") != "CREATE TABLE"
        and not any(key.startswith("orchard.") for key in last)
    )
    if not is_foreign:
        raise ValueError("its entries do not add up to what was last committed")


def _named(table: str, action: dict[str, Any]) -> TableFile:
    """A file that the log names. Raises ValueError where it lies anywhere but in the folder."""
    name, n_rows, n_bytes = action["path"], action["num_records"], action["size_bytes"]
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(f"it names {name!r}, which is no file of this folder")
    if n_rows is None:
        raise ValueError(f"it does not say how many rows {name} has")
    return TableFile(f"{table}/{name}", n_rows, n_bytes)
