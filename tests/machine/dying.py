"""Death at a chosen moment: before or after any change that a command makes to OUTPUT.

Raised as KeyboardInterrupt, it is Ctrl-C. Where it is to be a kill, nothing that would run after it
in this process changes OUTPUT any more; run as a program, the process kills itself.

    python -m machine.dying POINT run SOURCE... OUTPUT
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from deltalake import DeltaTable

from orchard.store import lock
from orchard.store.output import Output

CHANGES = ("put", "create", "copy", "move", "delete", "delete_exactly")
TABLES = ("features", "errors", "gone", "components", "thumbnails")
POINTS = (
    *(f"{when} commit {table}" for table in TABLES for when in ("before", "after")),
    *(f"after move {table}" for table in TABLES),
    *(f"before put {place}" for place in ("models", "runs", "erasure")),
    *(f"after put {place}" for place in ("models", "runs", "erasure")),
    "before delete features", "after delete features", "after create _orchard.json",
    "before delete _staging", "before put explained_variance.csv", "after put report",
)  # fmt: skip


@dataclass
class Death:
    """at: one of POINTS, or the number of a moment. reached: its name, once it has come."""

    at: str | int
    is_kill: bool
    kill: Callable[[], None] | None = None
    reached: str | None = None
    n_moments: int = 0

    def moment(self, name: str) -> None:
        if self.reached and self.is_kill:
            raise KeyboardInterrupt
        self.n_moments += 1
        if not self.reached and self.at in (name, self.n_moments):
            self.reached = name
            if self.kill:
                self.kill()
            raise KeyboardInterrupt


@contextmanager
def dying(death: Death) -> Iterator[Death]:
    """The block's commands meet their death where `death` says."""
    patches = [patch.object(DeltaTable, "create_write_transaction", _commit(death))]
    patches += [patch.object(Output, name, _change(death, name)) for name in CHANGES]
    patches.append(patch.object(lock, "_look", _look(death)))
    for one in patches:
        one.start()
    try:
        yield death
    finally:
        for one in patches:
            one.stop()


def _change(death: Death, name: str) -> Any:
    change = getattr(Output, name)

    def changing(output: Output, *arguments: Any) -> Any:
        subject = arguments[1] if name in ("copy", "move") else arguments[0]
        if not isinstance(subject, str):  # a list of paths, empty as often as not
            subject = next(iter(subject), None)
        if subject is None:
            return change(output, *arguments)
        top = subject.split("/")[0]
        death.moment(f"before {name} {top}")
        done = change(output, *arguments)
        death.moment(f"after {name} {top}")
        return done

    return changing


def _commit(death: Death) -> Any:
    write = DeltaTable.create_write_transaction

    def committing(table: DeltaTable, *arguments: Any, **options: Any) -> None:
        name = table.table_uri.rstrip("/").rpartition("/")[2]
        death.moment(f"before commit {name}")
        write(table, *arguments, **options)
        death.moment(f"after commit {name}")

    return committing


def _look(death: Death) -> Any:
    """A killed writer's lock stays in its bucket: at its end nobody looks whether to delete it."""
    look = lock._look

    def looking(store: Any) -> tuple[str, bytes] | None:
        return None if death.reached and death.is_kill else look(store)

    return looking


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from orchard.cli import main

    point: str | int = int(sys.argv[1]) if sys.argv[1].isdigit() else sys.argv[1]
    with dying(Death(point, is_kill=True, kill=_kill)):
        main(sys.argv[2:])
