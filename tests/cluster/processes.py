"""Processes as the operating system shows them, so that a test can end the very one it means.

Each is started in a session of its own. The session's number stays with everything it starts, JVMs
and Python workers alike, whatever process group they move to: by it they are found and ended.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")

PATIENCE = 600.0  # seconds that a machine under load may take; never waited out

_PAUSE = threading.Event()


@dataclass(frozen=True, slots=True)
class Process:
    """A line of `ps`. cpu: clock ticks spent so far."""

    pid: int
    parent: int
    session: int
    cpu: int
    command: str

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)


def alive(session: int) -> list[Process]:
    """All processes of a session, zombies aside."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    found = (_read(pid, session) for pid in pids)
    return [process for process in found if process is not None]


def _read(pid: int, session: int) -> Process | None:
    try:  # of other sessions no more than needed: they may be anybody's, and called anything
        status = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        if int(status[3]) != session or status[0] in (b"Z", b"X"):
            return None
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:  # it has ended meanwhile
        return None
    cpu = int(status[11]) + int(status[12])
    return Process(pid, int(status[1]), session, cpu, command.decode(errors="replace"))


class Gate:
    """A folder that is locked: tasks of a run come to it and wait, as `held.py` has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def waiting(self) -> set[int]:
        """The processes of the tasks that have come so far."""
        return {int(path.name) for path in self.folder.iterdir()}

    def open(self) -> None:
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._lock)


class Started:
    """A command running in a session of its own, its output in a file."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str]
    ) -> None:
        self.log = log
        with log.open("wb") as file:
            self._popen = subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )
        self.pid = self._popen.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    def processes(self, command: str = "") -> list[Process]:
        """Its own process and all those below it that live, of those with `command` in theirs."""
        return [process for process in alive(self.pid) if command in process.command]

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit code; minus the signal that ended it."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self._popen.args} still runs after {seconds} s:\n{self.output}")

    def end(self) -> None:
        """Kill it and all that it started, until nothing of it is left."""

        def none_left() -> bool:
            for process in self.processes():
                process.kill()
            return not self.processes()

        wait_for(none_left, f"the processes of {self._popen.args} to end")
        self._popen.wait()


def wait_for(
    condition: Callable[[], T], what: str, *, of: Started | None = None, seconds: float = PATIENCE
) -> T:
    """What the condition returns, once it is true; fails after `seconds`, or when `of` ends."""
    deadline = time.monotonic() + seconds
    while True:
        ended = of is not None and not of.is_running  # seen first: it may do its last work now
        late = time.monotonic() > deadline
        if found := condition():
            return found
        log = "" if of is None else f":\n{of.output}"
        if ended:
            pytest.fail(f"waiting for {what}; it ended before{log}")
        if late:
            pytest.fail(f"waited {seconds} s for {what}{log}")
        _PAUSE.wait(0.005)
