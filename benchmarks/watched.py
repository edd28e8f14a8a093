"""A command and all that it starts: seconds, and the most memory that each kind of process had.

    found = watched(["orchard", "run", ...], log=Path("log"))

Processes are those of the command's session, as /proc shows them four times a second; the memory is
what the system itself noted as the most of each (VmHWM), and the CPU time what it noted last. Of
the driver it is the most that was seen of its own memory: it maps temporary files, whose pages the
system takes back whenever it needs them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL = 0.25
TICKS = os.sysconf("SC_CLK_TCK")
KINDS = ("driver", "jvm", "slot", "decoder")


@dataclass(slots=True)
class Watched:
    """peaks: bytes by KINDS; a slot is a worker of PySpark, decoder: the process that decodes for
    it. load: cores that were busy in the second before the command began."""

    seconds: float = 0.0
    cpu: float = 0.0
    code: int = 0
    load: float = 0.0
    peaks: dict[str, int] = field(default_factory=dict)
    output: str = ""

    def figures(self) -> dict[str, object]:
        return {
            "seconds": round(self.seconds, 2),
            "cpu": round(self.cpu, 2),
            "load": round(self.load, 2),
            **{name: self.peaks[name] for name in KINDS if name in self.peaks},
        }


def watched(
    command: list[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    until: Callable[[], bool] | None = None,
    sending: signal.Signals = signal.SIGKILL,
) -> Watched:
    """Run a command to its end, or until `until`, when `sending` reaches its first process.

    SIGKILL reaches all processes of its session, as when a machine goes off.
    """
    found = Watched(load=_busy_cores())
    used: dict[int, float] = {}
    before, started = os.times(), time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=env, start_new_session=True
        )
        try:
            while process.poll() is None:
                _sample(process.pid, found.peaks, used)
                if until is not None and until():
                    until = None
                    pids = _session(process.pid) if sending == signal.SIGKILL else [process.pid]
                    for pid in pids:
                        with suppress(ProcessLookupError):
                            os.kill(pid, sending)
                time.sleep(INTERVAL)
        finally:
            for pid in _session(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    after = os.times()
    found.seconds = time.perf_counter() - started
    # What ended between two looks is in the first alone; workers of the JVM, which nobody waits
    # for, are in the second alone.
    found.cpu = max(sum(after[2:4]) - sum(before[2:4]), sum(used.values()))
    found.code = process.wait()
    found.output = log.read_text(errors="replace")
    return found


def _session(leader: int) -> list[int]:
    return [pid for pid, _, session, _ in _processes() if session == leader]


def _busy_cores(seconds: float = 1.0) -> float:
    before = _busy_seconds()
    time.sleep(seconds)
    return (_busy_seconds() - before) / seconds


def _busy_seconds() -> float:
    """Of all cores since the start: user, nice, system and interrupts, as proc(5) orders them."""
    fields = [int(ticks) for ticks in _read("/proc/stat").split(b"\n")[0].split()[1:8]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def _sample(leader: int, peaks: dict[str, int], used: dict[int, float]) -> None:
    here = {}
    for pid, parent, session, seconds in _processes():
        if session == leader:
            here[pid], used[pid] = parent, seconds
    kinds = {pid: _kind(pid, leader, here) for pid in here}
    most: defaultdict[str, int] = defaultdict(int)
    for pid in here:
        kind = kinds[pid]
        if kind == "beside":
            kind = "decoder" if kinds.get(here[pid]) == "slot" else "other"
        most[kind] = max(most[kind], _own(pid) if kind == "driver" else _peak(pid))
    for kind, n_bytes in most.items():
        peaks[kind] = max(peaks.get(kind, 0), n_bytes)


def _kind(pid: int, leader: int, here: Mapping[int, int]) -> str:
    command = _read(f"/proc/{pid}/cmdline")
    if pid == leader:
        return "driver"
    if b"pyspark.daemon" in command:
        parent = here.get(pid)
        is_fork = parent is not None and b"pyspark.daemon" in _read(f"/proc/{parent}/cmdline")
        return "slot" if is_fork else "daemon"
    program = command.partition(b"\0")[0].rpartition(b"/")[2]
    return "jvm" if program == b"java" else "beside"


def _processes() -> list[tuple[int, int, int, float]]:
    """(pid, parent, session, CPU seconds) of each that runs."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        fields = _read(f"{path}/stat").rpartition(b")")[2].split()
        if len(fields) > 3 and fields[0] not in (b"Z", b"X"):
            seconds = (int(fields[11]) + int(fields[12])) / TICKS
            found.append((int(path.name), int(fields[1]), int(fields[3]), seconds))
    return found


def _peak(pid: int) -> int:
    return _noted(pid, b"VmHWM:")


def _own(pid: int) -> int:
    return _noted(pid, b"RssAnon:", b"RssShmem:")


def _noted(pid: int, *names: bytes) -> int:
    """The sum of these, bytes."""
    lines = [line for line in _read(f"/proc/{pid}/status").splitlines() if line.startswith(names)]
    return sum(int(line.split()[1]) for line in lines) * 1024


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
