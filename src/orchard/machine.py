"""The machine under this process: its cores, its memory as the operating system counted it, and
processes beside this one that are held to limits."""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path

_M_ARENA_MAX = -8  # of glibc's malloc.h


def available_cores() -> int:
    """Cores this process may run on; all of the machine's where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def own_peak_memory() -> int:
    """Bytes this process had resident at most since it started."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes, on macOS bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def peak_memory(pid: int) -> int | None:
    """The same of another process; None where the system has no /proc to tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else None


def release_memory() -> None:
    """Give the system back what was freed: Arrow keeps it for what comes next, as glibc does."""
    import pyarrow as pa  # not in every process that asks this module

    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def few_arenas() -> None:
    """Have all threads of this process share two of glibc's heaps. By default it makes eight for
    each core, and each keeps some of what threads that have ended held: an eighth of the memory
    that a report took. MALLOC_ARENA_MAX decides where it is set (mallopt(3))."""
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def isolated(program: str, *arguments: str) -> list[str]:
    """The command of a Python process that imports what this one does: neither the current folder
    nor the environment chooses. `arguments` are its sys.argv[1:]."""
    start = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1))"
    paths = json.dumps([entry for entry in sys.path if entry])
    return [sys.executable, "-I", "-c", f"{start}\n{program}", paths, *arguments]


def bound(kind: int, most: int) -> None:
    """Set this process's soft limit alone (`resource.RLIMIT_…`), which may be raised again."""
    _, hard = resource.getrlimit(kind)
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with suppress(ValueError, OSError):  # a system that has no such limit
        resource.setrlimit(kind, (soft, hard))
