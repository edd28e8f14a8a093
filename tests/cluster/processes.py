"""Processes as the operating system shows them, so that a test can end the very one it means.

Each is started in a session of its own. The session's number stays with everything it starts, JVMs
and Python workers alike, whatever process group they move to: by it they are found and ended.
"""

from __future__ import annotations

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
    found = (_read(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [process for process in found if process is not None and process.session == session]


def _read(pid: int) -> Process | None:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if status[0] in "ZX":
        return None
    cpu = int(status[11]) + int(status[12])
    return Process(pid, int(status[1]), int(status[3]), cpu, command)


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

    def freeze(self) -> None:
        """Stop it and all that it started where they are; a killed one stays dead."""
        for process in self.processes():
            process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self.processes():
            process.signal(signal.SIGCONT)

    def wait(self, seconds: float = 120) -> int:
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
    condition: Callable[[], T], what: str, *, of: Started | None = None, seconds: float = 60
) -> T:
    """What the condition returns, once it is true; fails after `seconds`, or when `of` ends."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if of is not None and not of.is_running:
            pytest.fail(f"waiting for {what}; it ended before:\n{of.output}")
        if time.monotonic() > deadline:
            log = "" if of is None else f":\n{of.output}"
            pytest.fail(f"waited {seconds} s for {what}{log}")
        _PAUSE.wait(0.005)
    return found
