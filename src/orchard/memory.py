"""Peak memory of a process, as the operating system counted it."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


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
