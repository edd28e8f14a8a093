"""What PySpark does in a worker around each task, and how a task spares the next one most of it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar
from zipimport import zipimporter

T = TypeVar("T")
R = TypeVar("R")


def without_housekeeping(work: Callable[[T], R], task: T) -> R:
    """Do a task's work, and spare the next one some 100 ms of PySpark's housekeeping.

    Before each task it invalidates Python's import caches, after which every zip file in them is
    read again, even Spark's own jar: their entries are removed, being only a cache of a
    cache. After each it collects garbage, walking all that the libraries hold: that is frozen once.
    """
    try:
        return work(task)
    finally:
        for path, finder in list(sys.path_importer_cache.items()):
            if isinstance(finder, zipimporter):
                del sys.path_importer_cache[path]
        _freeze(os.getpid())


@lru_cache(maxsize=1)
def _freeze(process: int) -> None:
    gc.freeze()
