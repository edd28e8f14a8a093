"""What a container held when it was last listed: one that is the same needs no second look.

A tar without an index is read from its first to its last header, one in a bucket or compressed from
end to end. So OUTPUT keeps what was found, a file for each, by path, size, time and etag.
It is a copy: lost or damaged, the container is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

import pyarrow as pa
import pyarrow.ipc

from orchard.images.containers import names
from orchard.images.containers.files import Container
from orchard.images.containers.members import Known, Member
from orchard.records import Failure, Reason

FORMAT = 1
_ROWS = pa.schema(
    [
        ("row", pa.string()),
        ("label", pa.string()),
        ("name", pa.string()),
        ("size", pa.int64()),
        ("modified", pa.int64()),
        ("key", pa.string()),
        ("offset", pa.int64()),
        ("span", pa.int64()),
        ("detail", pa.int64()),
        ("reason", pa.string()),
        ("why", pa.string()),
    ]
)


@dataclass(slots=True)
class Memory:
    """What is kept, by keys. find: an entry's bytes, or None. present: keys of all entries."""

    find: Callable[[str], bytes | None]
    present: frozenset[str]
    used: set[str] = field(default_factory=set)
    new: dict[str, tuple[Container, Known]] = field(default_factory=dict)

    def recall(self, container: Container, column: str | None) -> Known | None:
        key = key_of(container, column)
        if key not in self.present:
            return None
        found = unpacked(self.find(key))
        if found is not None:
            self.used.add(key)
        return found

    def found(self, container: Container, column: str | None) -> Known | None:
        """What this run found in it, or an earlier one."""
        _, known = self.new.get(key_of(container, column), (container, None))
        return known or self.recall(container, column)

    def note(self, container: Container, column: str | None, known: Known) -> None:
        if not known.is_cheap:
            self.new[key_of(container, column)] = (container, known)


def key_of(container: Container, column: str | None) -> str:
    said = repr((FORMAT, *asdict(container).values(), column))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def packed(known: Known, kept: Iterable[bool]) -> bytes:
    """kept: of each row, whether it may be written down."""
    rows = [
        (name, label, m.name, m.size, m.modified, m.key, m.offset, m.span, m.detail,
         m.failure and m.failure.reason.value, m.failure and m.failure.detail)
        for (name, label, m), is_kept in zip(known.rows, kept, strict=True) if is_kept
    ]  # fmt: skip
    columns = list(zip(*rows, strict=True)) or [()] * len(_ROWS)
    why = known.failure
    schema = _ROWS.with_metadata({"reason": why.reason.value, "why": why.detail} if why else {})
    table = pa.table([pa.array(c, f.type) for c, f in zip(columns, _ROWS, strict=True)], schema)
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def unpacked(data: bytes | None) -> Known | None:
    """None for what is not, or not as `packed` writes it."""
    if data is None:
        return None
    try:
        table = pa.ipc.open_file(data).read_all()
        said = table.schema.metadata or {}
        table = table.cast(_ROWS)
        rows = [
            (row, label, Member(name, size, modified, key, at, span, detail, _failure(reason, why)))
            for row, label, name, size, modified, key, at, span, detail, reason, why in zip(
                *table.to_pydict().values(), strict=True
            )
        ]
        failure = _failure(said[b"reason"].decode(), said[b"why"].decode()) if said else None
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError):
        return None
    is_safe = all(m.failure or names.cleaned(row) == row for row, _, m in rows)
    return Known(rows, failure) if is_safe else None


def _failure(reason: str | None, why: str | None) -> Failure | None:
    return Failure(Reason(reason), why or "") if reason else None
