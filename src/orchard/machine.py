"""The machine under this process: its cores, and memory as the operating system counted it."""

from __future__ import annotations

import os
import re
import resource
import sys
from pathlib import Path


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
