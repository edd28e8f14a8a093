"""A run that is interrupted or killed leaves no half table and no process; the next one goes on."""

from __future__ import annotations

import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import orchard
from orchard.result.compare import compare
from orchard.store.output import Output

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are told by /proc")

N_IMAGES = 400  # seven tasks
HELD_BACK = Path(__file__).with_name("held_back.py")
SIZE = 96
DEADLINE = 300.0  # seconds that a machine under load may take; never waited out


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(11)
    for number in range(N_IMAGES):
        coarse = rng.integers(0, 256, (6, 6, 3), np.uint8)
        image = Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)
        image.save(folder / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    spark: Any, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> orchard.Result:
    return orchard.run(config(pictures, tmp_path_factory.mktemp("undisturbed") / "out"))


def config(pictures: Path, output: Path) -> orchard.RunConfig:
    return orchard.RunConfig(
        sources=(str(pictures),), output=str(output), weights="fruit", size=SIZE, components=5
    )


def command(pictures: Path, output: Path) -> list[str]:
    program = str(Path(sys.executable).with_name("orchard"))
    options = ["--weights", "fruit", "--size", str(SIZE), "--components", "5"]
    return [program, "run", str(pictures), str(output), *options]


def workers_python(folder: Path, picture: Path) -> str:
    """A Python whose tasks embed all pictures but this one, over which the last stays."""
    os.mkfifo(folder / "never written")
    words = [sys.executable, HELD_BACK, picture, folder / "never written"]
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n')
    program.chmod(0o755)
    return str(program)


class Killed:
    """A run in a session of its own, as a terminal starts one, hit by a signal while it embeds.

    It still does so however late the signal comes: its last picture is held back.
    """

    def __init__(self, pictures: Path, output: Path, hit: Callable[[int], None]) -> None:
        python = workers_python(output.parent, pictures / f"{N_IMAGES - 1:03d}.png")
        process = subprocess.Popen(
            command(pictures, output),
            env=os.environ | {"PYSPARK_PYTHON": python},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            self._wait_for_rows(process, output)
            self.members = members(process.pid)
            hit(process.pid)
            self.stdout, self.stderr = process.communicate(timeout=DEADLINE)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        self.code = process.returncode
        self.session = process.pid

    @staticmethod
    def _wait_for_rows(process: subprocess.Popen[str], output: Path) -> None:
        deadline = time.monotonic() + DEADLINE
        while not list(output.glob("_staging/*/features/*.parquet")):
            assert time.monotonic() < deadline, "nothing is embedded"
            try:
                process.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"the run ended before it embedded: {process.communicate()[1]}")


def members(session: int) -> dict[int, str]:
    """The living processes of a session: of the driver, its JVM and its workers."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            before, _, after = stat.read_text().rpartition(")")
        except OSError:  # ended meanwhile
            continue
        state, _, _, its_session = after.split()[:4]
        if int(its_session) == session and state not in "ZX":
            found[int(before.split()[0])] = before.partition("(")[2]
    return found


def survivors(session: int) -> dict[int, str]:
    """Who of a session is left when all had the time to end."""
    deadline = time.monotonic() + DEADLINE
    while (left := members(session)) and time.monotonic() < deadline:
        for process in left:
            try:
                handle = os.pidfd_open(process)
            except ProcessLookupError:
                continue
            select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
            os.close(handle)
    return left


@pytest.fixture
def cleanup() -> Iterator[list[int]]:
    """Sessions whose processes must not outlive a test that fails."""
    sessions: list[int] = []
    yield sessions
    for session in sessions:
        for process in members(session):
            os.kill(process, signal.SIGKILL)


def check_goes_on(after: orchard.Result, undisturbed: orchard.Result) -> None:
    counts = after.record["counts"]
    assert counts["adopted"] > 0
    assert after.record["embedding"]["images"] > 0
    assert counts["adopted"] + after.record["embedding"]["images"] == N_IMAGES
    assert counts["embedded"] == N_IMAGES
    assert compare(Output.at(after.output), Output.at(undisturbed.output)).is_equal
    assert not Path(after.output, "_staging").exists()


@pytest.mark.long
def test_ctrl_c_ends_a_run_cleanly_and_the_same_command_goes_on(
    pictures: Path, undisturbed: orchard.Result, tmp_path: Path, cleanup: list[int]
) -> None:
    output = tmp_path / "out"
    run = Killed(pictures, output, lambda pid: os.killpg(pid, signal.SIGINT))
    cleanup.append(run.session)
    assert "java" in run.members.values(), run.members
    assert run.code == 130, run.stderr
    assert run.stdout == ""
    *_, kept, last = run.stderr.splitlines()
    told = re.fullmatch(r"warning: interrupted; (\d+) images embedded so far are kept", kept)
    assert told, kept
    assert last == "orchard: interrupted; run the same command again to continue"
    assert "Traceback" not in run.stderr
    assert "Exception" not in run.stderr
    assert not [name for name in ("features", "errors", "components") if (output / name).exists()]
    assert survivors(run.session) == {}

    done = subprocess.run(command(pictures, output), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (record,) = (output / "runs").iterdir()
    after = orchard.Result(str(output), Output.at(output).get_json(f"runs/{record.name}"))
    check_goes_on(after, undisturbed)
    assert after.record["counts"]["adopted"] == int(told[1])


@pytest.mark.long
def test_a_killed_run_leaves_no_process_and_the_next_goes_on(
    pictures: Path, undisturbed: orchard.Result, tmp_path: Path, cleanup: list[int]
) -> None:
    output = tmp_path / "out"
    run = Killed(pictures, output, lambda pid: os.kill(pid, signal.SIGKILL))
    cleanup.append(run.session)
    assert run.code == -signal.SIGKILL
    assert survivors(run.session) == {}
    assert not [name for name in ("features", "errors", "components") if (output / name).exists()]
    check_goes_on(orchard.run(config(pictures, output)), undisturbed)
