"""The members of containers as rows of a listing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

from orchard.errors import OrchardError
from orchard.images.containers import (
    names,
    shard_index,
    shard_rows,
    sidecars,
    tables,
    tars,
    zips,
)
from orchard.images.containers.files import TAIL, Container, Unreadable, opened
from orchard.images.containers.members import DUPLICATE, Contents, Known, Member
from orchard.images.containers.places import PLACED
from orchard.images.containers.remembered import Memory
from orchard.records import Failure, Found, Reason
from orchard.storage import Storage

AT_ONCE = 8  # containers

_READERS: dict[str, Callable[[BinaryIO, int], Contents]] = {
    names.TAR: tars.read_tar,
    names.STREAM: tars.read_stream,
    names.ZIP: zips.read_zip,
}


@dataclass(frozen=True, slots=True)
class Held:
    """images: PLACED rows of a container; failures: (path, why) of what is no image in it."""

    images: pa.Table
    failures: tuple[tuple[str, Failure], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which members count, by their name and the container's path below the source, and what
    label a path has where its container says none; column: of `--label column:NAME`. is_plain:
    every member counts, and a label follows from the folders alone."""

    admits: Callable[[str, str], bool]
    label_of: Callable[[str], str | None]
    column: str | None = None
    says_labels: bool = True
    is_plain: bool = False


def hold(
    containers: Iterable[tuple[str, str, Found]],
    rule: Rule,
    storage: Storage,
    memory: Memory | None = None,
) -> Iterator[Held]:
    """The members of each container (path, path below the source, what was found), many at once.

    memory: of containers that were listed before.
    """

    def one(given: tuple[str, str, Found]) -> Held:
        path, relative, found = given
        kind = names.kind_of(path)
        assert kind is not None
        return held(Container.of(path, kind, found), relative, rule, storage, memory)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(one, containers)


def held(
    container: Container,
    relative: str,
    rule: Rule,
    storage: Storage,
    memory: Memory | None = None,
) -> Held:
    """Never raises for what is in it."""
    try:
        known = _recalled(container, storage, rule, memory)
    except Unreadable as error:
        return Held(PLACED.empty_table(), ((container.path, error.failure),))
    if isinstance(known, pa.Table):
        return Held(known, ())
    failures = [] if known.failure is None else [(container.path, known.failure)]
    kept = []
    for name, label, member in known.rows:
        if not rule.admits(relative, name):
            continue
        path = f"{container.path}{names.SEPARATOR}{name}"
        why = member.failure or (DUPLICATE if name != member.name else None)
        if why is not None:
            failures.append((path, why))
            continue
        said = label if rule.says_labels else None
        kept.append((path, said if said is not None else rule.label_of(path), member))
    return Held(_table(container, kept), tuple(failures))


def read(container: Container, storage: Storage, column: str | None = None) -> Known:
    """Raises Unreadable, and ConfigError for a label column that a table has not."""
    with _telling_damage(), opened(container, storage, _tail(container.kind)) as file:
        return _read(file, container, column)


@contextmanager
def _telling_damage() -> Iterator[None]:
    try:
        yield
    except (Unreadable, OrchardError):
        raise
    except Exception as error:  # what parsers raise on damaged files has no bounds
        why = str(error).partition("\n")[0] or type(error).__name__
        raise Unreadable(Failure(Reason.CORRUPT, f"the archive is damaged: {why}")) from None


def _read(file: BinaryIO, container: Container, column: str | None) -> Known:
    if container.kind == names.TABLE:
        found, labels = tables.read_table(file, container.path, column)
        rows = list(zip(found.members, labels, strict=True))
        return Known([(m.name, label, m) for m, label in rows], found.failure, is_cheap=True)
    contents = _READERS[container.kind](file, container.size)
    said = sidecars.take_out(contents, column)
    labelled = [
        (name, said.get(sidecars.parts_of(member.name)[0]), member)
        for name, member in contents.rows()
    ]
    return Known(labelled, contents.failure, contents.is_indexed)


def _recalled(
    container: Container, storage: Storage, rule: Rule, memory: Memory | None
) -> Known | pa.Table:
    """What it holds; of a shard of Orchard's own the rows themselves, where they need no closer
    look."""
    if memory is not None and (known := memory.recall(container, rule.column)) is not None:
        return known
    with _telling_damage(), opened(container, storage, _tail(container.kind)) as file:
        if container.kind == names.TAR and rule.is_plain:
            index = shard_index.content(file, container.size)
            if (rows := shard_rows.rows(index, container, rule.label_of)) is not None:
                return rows
        found = _read(file, container, rule.column)
    if memory is not None:
        memory.note(container, rule.column, found)
    return found


def members_of(container: Container, storage: Storage) -> dict[str, Member]:
    """The images of a container, by their paths. Raises Unreadable."""
    return {
        f"{container.path}{names.SEPARATOR}{name}": member
        for name, _, member in read(container, storage).rows
        if member.failure is None and name == member.name
    }


def _tail(kind: str) -> int:
    return 0 if kind == names.STREAM else TAIL


def _table(container: Container, rows: list[tuple[str, str | None, Member]]) -> pa.Table:
    version, n = container.version, len(rows)
    members = [member for _, _, member in rows]
    columns = [
        [path for path, _, _ in rows],
        [label for _, label, _ in rows],
        [member.size for member in members],
        [Found(0, member.modified or container.modified).modified for member in members],
        [member.key or f"{version}/{member.offset}" for member in members],
        [container.path] * n,
        [container.kind] * n,
        [container.size] * n,
        [container.modified] * n,
        [container.etag] * n,
        [member.offset for member in members],
        [member.span for member in members],
        [member.detail for member in members],
    ]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, PLACED, strict=True)], PLACED)
