"""The same with runs that are processes of their own, and are killed with SIGKILL."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from cluster.processes import Started
from hypothesis.stateful import run_state_machine_as_test

from machine.dying import Death
from machine.lifetime import Lifetime, lives
from machine.places import Disk

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are told by /proc"),
]
TESTS = Path(__file__).resolve().parents[1]


def with_processes(folder: Path) -> type[Lifetime]:
    numbers = itertools.count()

    class WithProcesses(Lifetime):
        title = "with killed processes"

        @staticmethod
        def new_place(among_images: bool) -> Disk:
            number = next(numbers)
            base, scratch = folder / f"{number}", folder / f"scratch{number}"
            return Disk(str(base), str(scratch), "photos/out" if among_images else "out")

        def _invoke(self, line: list[str], death: Death | None) -> tuple[int, str]:
            if death is None or not death.is_kill or line[0] != "run":
                return super()._invoke(line, death)
            program = [sys.executable, "-m", "machine.dying", str(death.at), *line]
            paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
            started = Started(program, folder / "killed.txt", environment)
            try:
                code = started.wait()
            finally:
                started.end()
            if code == -signal.SIGKILL:
                death.reached = f"at {death.at}"
                return 130, started.output
            return code, started.output

    return WithProcesses


def test_any_sequence_of_steps_with_kill_9_leaves_a_result_that_goes_on(
    spark: Any, tmp_path: Path
) -> None:
    run_state_machine_as_test(with_processes(tmp_path), settings=lives(3, 15))
