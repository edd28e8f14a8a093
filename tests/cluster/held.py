"""`orchard`, whose run embeds the first task's images and then waits until it is let go.

    python held.py GATE run SOURCE OUTPUT …

Each later task says in the folder GATE that it has come, by a file named after its process, and
begins when nobody holds the folder's lock any more.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import Any

from orchard.cli import main
from orchard.spark import passes

GATE = sys.argv[1]  # travels to the workers with the function, whose own arguments are others

embed = passes._embed


def embed_when_let_go(task: tuple[int, bytes], **options: Any) -> Any:
    if task[0] > 0:
        (Path(GATE) / str(os.getpid())).touch()
        gate = os.open(GATE, os.O_RDONLY)
        fcntl.flock(gate, fcntl.LOCK_SH)
        os.close(gate)
    return embed(task, **options)


if __name__ == "__main__":
    passes._embed = embed_when_let_go
    main(sys.argv[2:])
