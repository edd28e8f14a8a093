"""Whole processes timed in turn, ours and theirs, and the rows of the page made of them."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).resolve().parent
COMPONENTS = 200
ORCHARD = (sys.executable, "-m", "orchard")
Seconds = Callable[[], float]
_PIPED: dict[str, Any] = {"capture_output": True, "text": True, "check": False}


@contextmanager
def version_before(commit: str) -> Iterator[tuple[str, Path]]:
    """The source of another commit; by default the last tag's, or that of the page of results."""
    git = ("git", "-C", str(HERE))
    if not commit:
        tag = subprocess.run([*git, "describe", "--tags", "--abbrev=0"], **_PIPED).stdout.strip()
        last = [*git, "log", "-1", "--format=%H", "--", "RESULTS.md"]
        commit = tag or subprocess.run(last, **_PIPED).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        finished([*git, "worktree", "add", "--detach", folder, commit])
        try:
            yield commit[:10], Path(folder) / "src"
        finally:
            finished([*git, "worktree", "remove", "--force", folder])


@dataclass
class Bench:
    photos: str
    weights: str
    rounds: int
    slow_rounds: int
    environments: Path
    scratch: Path
    before: str = ""
    precision: Literal["float32", "int8"] = "int8"
    keras: str = ""
    n_images: int = 0

    @property
    def options(self) -> tuple[str, ...]:
        """For the scripts that embed by themselves."""
        named = ("--weights", self.weights, "--precision", self.precision)
        return (*named, "--rounds", str(self.rounds))

    def fresh(self, name: str) -> Path:
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def orchard(self, *options: str, weights: str = "") -> dict[str, Any]:
        """Seconds of the whole process, and the run's record."""
        output = self.fresh("orchard")
        command = [*ORCHARD, "run", self.photos, str(output), "--weights", weights or self.weights]
        # Nobody else looks for duplicates, or draws a report.
        shared = ["--components", str(COMPONENTS), "--quiet", "--no-findings", "--no-report"]
        seconds = timed([*command, *shared, *options])
        (record,) = (output / "runs").glob("*.json")
        return {"process": seconds, **json.loads(record.read_text(encoding="utf-8"))}

    def until_embedded(self) -> float:
        """Seconds of a whole process less those of the reduction: what the peers do too."""
        run = self.orchard("--precision", self.precision)
        after = ("moments", "PCA", "project", "report")
        return float(run["process"] - sum(run["seconds"].get(stage, 0) for stage in after))

    def by_default(self, photos: str, *options: str, source: Path = HERE.parent / "src") -> float:
        """Seconds of a whole run as a user's is, report and all, by the code in `source`."""
        words = [*ORCHARD, "run", photos, str(self.fresh("default")), "--weights", self.weights]
        return timed([*words, *options, "--quiet"], PYTHONPATH=str(source))

    def driver_with_report(self) -> int:
        """Most bytes that the driver's Python held in a whole run with its report."""
        self.by_default(self.photos, "--precision", self.precision)
        (record,) = (self.scratch / "default" / "runs").glob("*.json")
        return int(json.loads(record.read_text(encoding="utf-8"))["driver"]["peak_memory"])

    def notebook(self, how: str) -> dict[str, Any]:
        """Seconds of the whole process, and what it says: seconds by stage, variance explained."""
        output = self.fresh(how)
        python = self.environments / "notebook_chain" / "bin" / "python"
        script = str(HERE / "notebook_chain.py")
        command = [str(python), script, how, self.photos, str(output), self.keras]
        seconds, said = finished([*command, str(COMPONENTS)])
        return {"process": seconds, **json.loads(said.splitlines()[-1])}

    def peer(self, name: str) -> float:
        output = self.fresh(name)
        python = self.environments / "peers" / "bin" / "python"
        script = str(HERE / "peers.py")
        model = str(self.scratch / "model.onnx")
        return timed([str(python), script, name, self.photos, str(output), model])

    def alternate(self, runs: dict[str, Seconds], rounds: int) -> dict[str, list[float]]:
        """Seconds of each run in each round, in turn."""
        times: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(rounds):
            for name, run in runs.items():
                times[name].append(run())
                print(f"round {number + 1}: {name} {times[name][-1]:.1f} s", flush=True)
        return times

    def script(self, name: str, *options: str) -> str:
        """What another benchmark of this folder prints."""
        done = subprocess.run(
            [sys.executable, str(HERE / name), *options],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{name} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return f"```\n{done.stdout.strip()}\n```"


HEAD = (
    "| ours / theirs | ratio | target | ours, s | theirs, s | rounds |\n|---|---|---|---|---|---|"
)


def row(title: str, target: str, ours: list[float], theirs: list[float]) -> str:
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    our, their = statistics.median(ours), statistics.median(theirs)
    return f"| {title} | {spread(ratios)} | {target} | {our:.1f} | {their:.1f} | {len(ours)} |"


def timed(command: Sequence[str], **variables: str) -> float:
    return finished(command, **variables)[0]


def finished(command: Sequence[str], **variables: str) -> tuple[float, str]:
    """Seconds that a process took, and what it printed."""
    started = time.perf_counter()
    environment = {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return time.perf_counter() - started, done.stdout


def spread(values: Sequence[float]) -> str:
    median = statistics.median(values)
    return f"{median:.2f} ({min(values):.2f} to {max(values):.2f})"


def machine() -> str:
    information = Path("/proc/cpuinfo").read_text()
    cpu = re.search(r"^model name\s*: (.*)$", information, re.MULTILINE)
    name = cpu[1] if cpu else platform.machine()
    name += " with VNNI" if "_vnni" in information else ""
    return f"{name}, {len(os.sched_getaffinity(0))} cores, {platform.system()}"


def versions() -> str:
    names = ("pyspark", "onnxruntime", "openvino", "numpy", "pillow", "deltalake")
    found = ", ".join(f"{name} {version(name)}" for name in names)
    return f"Python {platform.python_version()}, {found}"
