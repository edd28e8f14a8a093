"""`orchard`, in a process that ends as by `kill -9` at one point of a commit.

    python killed_at.py moved:features run SOURCE OUTPUT …

moved:TABLE      its data files are in its folder, the transaction that names them is not written
committed:TABLE  the transaction is written, and nothing after it
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from deltalake import DeltaTable

from orchard.cli import main

write = DeltaTable.create_write_transaction


def write_or_die(table: DeltaTable, *arguments: Any, **options: Any) -> None:
    name = table.table_uri.rstrip("/").rpartition("/")[2]
    die_at(f"moved:{name}")
    write(table, *arguments, **options)
    die_at(f"committed:{name}")


def die_at(point: str) -> None:
    if point == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    DeltaTable.create_write_transaction = write_or_die  # type: ignore[method-assign]
    main(sys.argv[2:])
