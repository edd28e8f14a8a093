"""Everything that speed is held against, side by side on this machine; writes RESULTS.md.

    make bench                                     rendered fruit, untrained weights
    make bench PHOTOS=folder WEIGHTS=file.h5       your photos, Keras' weights
    python benchmarks/bench.py --help

Each comparison alternates: ours, theirs, ours, theirs. A ratio is taken round by round; the median
and the spread are reported. Every run is a process of its own, timed whole, start included, unless
the table says which stages. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
COMPONENTS = 200
ORCHARD = (sys.executable, "-m", "orchard")
Seconds = Callable[[], float]


@dataclass
class Bench:
    photos: str
    weights: str
    rounds: int
    environments: Path
    scratch: Path
    lines: list[str] = field(default_factory=list)

    def fresh(self, name: str) -> Path:
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def orchard(self, *options: str) -> dict[str, Any]:
        """Seconds of the whole process, and the run's record."""
        output = self.fresh("orchard")
        command = [*ORCHARD, "run", self.photos, str(output), "--weights", self.weights]
        # Nobody else draws a report.
        shared = ["--components", str(COMPONENTS), "--quiet", "--no-report"]
        seconds = timed([*command, *shared, *options])
        (record,) = (output / "runs").glob("*.json")
        return {"process": seconds, **json.loads(record.read_text(encoding="utf-8"))}

    def until_embedded(self) -> float:
        """Seconds of a whole process less those of the reduction: what the peers do too."""
        run = self.orchard()
        after = ("moments", "PCA", "project", "report")
        return float(run["process"] - sum(run["seconds"].get(stage, 0) for stage in after))

    def notebook(self, how: str) -> float:
        output = self.fresh(how)
        python = self.environments / "notebook_chain" / "bin" / "python"
        script = str(HERE / "notebook_chain.py")
        return timed(
            [str(python), script, how, self.photos, str(output), self.weights, str(COMPONENTS)]
        )

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

    def compare(self, title: str, target: str, ours: list[float], theirs: list[float]) -> None:
        ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
        our, their = statistics.median(ours), statistics.median(theirs)
        self.lines.append(
            f"| {title} | {spread(ratios)} | {target} | {our:.1f} | {their:.1f} | {len(ours)} |"
        )


def timed(command: Sequence[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return time.perf_counter() - started


def printed(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def spread(values: Sequence[float]) -> str:
    median = statistics.median(values)
    return f"{median:.2f} ({min(values):.2f} to {max(values):.2f})"


def machine() -> str:
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    name = cpu[1] if cpu else platform.machine()
    return f"{name}, {len(os.sched_getaffinity(0))} cores, {platform.system()}"


def versions() -> str:
    names = ("pyspark", "onnxruntime", "openvino", "numpy", "pillow", "deltalake")
    found = ", ".join(f"{name} {version(name)}" for name in names)
    return f"Python {platform.python_version()}, {found}"


def write_model(weights: str, path: Path) -> None:
    from orchard.model import load_model

    path.write_bytes(load_model(weights).onnx)


def against_notebooks(bench: Bench, rounds: int) -> None:
    def whole(precision: str) -> Seconds:
        return lambda: float(bench.orchard("--precision", precision)["process"])

    times = bench.alternate(
        {
            "ours": whole("float32"),
            "ours in bfloat16": whole("bfloat16"),
            "notebooks' chain": lambda: bench.notebook("notebook"),
            "that chain done well": lambda: bench.notebook("well"),
        },
        rounds,
    )
    ours, reduced, chain, well = times.values()
    bench.compare("whole job / notebooks' chain", "≥ 25", ours, chain)
    bench.compare("whole job in bfloat16 / notebooks' chain", "≥ 40", reduced, chain)
    bench.compare("whole job / that chain done well", "≥ 6", ours, well)


def against_peers(bench: Bench, rounds: int) -> None:
    peers = {"multiprocessing": "multiprocessing", "ray": "Ray Data", "daft": "Daft"}
    runs: dict[str, Seconds] = {"ours": bench.until_embedded}
    runs |= {name: partial(bench.peer, name) for name in peers}
    times = bench.alternate(runs, rounds)
    for name, title in peers.items():
        bench.compare(f"embedding / {title}", "≥ 1.0", times["ours"], times[name])


def page(bench: Bench, n_images: int, others: list[tuple[str, str]], command: str) -> str:
    table = "\n".join(bench.lines)
    rest = "\n\n".join(f"## {title}\n\n```\n{text}\n```" for title, text in others)
    return f"""# Speed, measured side by side

{date.today()}, {machine()}. {versions()}. {n_images:,} images, {COMPONENTS} components.

    {command}

Ratios are theirs / ours, round by round: median (least to most). Seconds are medians of whole
processes, start included, ours without its report; of the embedding rows, ours is the run less its
reduction.

| ours / theirs | ratio | target | ours, s | theirs, s | rounds |
|---|---|---|---|---|---|
{table}

{rest}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", help="a folder of .jpg; default: rendered fruit")
    parser.add_argument(
        "--weights", default="untrained", help="Keras' .h5 for the notebooks' chain"
    )
    parser.add_argument("--images", type=int, default=2000, help="to render (default 2000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slow-rounds", type=int, default=1, help="with the notebooks' chain")
    parser.add_argument("--skip-notebook", action="store_true")
    parser.add_argument("--environments", type=Path, default=HERE.parent / ".venv-bench")
    parser.add_argument("--page", type=Path, default=HERE / "RESULTS.md")
    args = parser.parse_args()
    if args.weights == "untrained":
        args.skip_notebook = True  # Keras cannot load what Orchard draws at random
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        photos = args.photos or str(scratch / "photos")
        if not args.photos:
            timed([*ORCHARD, "sample", photos, "--count", str(args.images)])
        write_model(args.weights, scratch / "model.onnx")
        bench = Bench(photos, args.weights, args.rounds, args.environments, scratch)
        n_images = bench.orchard()["counts"]["listed"]  # also warms the disk's cache
        result = shutil.copytree(scratch / "orchard", scratch / "result")
        if not args.skip_notebook:
            against_notebooks(bench, args.slow_rounds)
        against_peers(bench, args.rounds)
        python = sys.executable
        shared = ("--weights", args.weights, "--limit", str(n_images), "--rounds", str(args.rounds))
        others = [
            (
                "Embedding against a bare loop (target ≥ 0.95 on 23,619 images)",
                printed(python, str(HERE / "embedding.py"), photos, *shared),
            ),
            (
                "Standardise, PCA, project: against MLlib (target ≥ 12) and scikit-learn",
                printed(python, str(HERE / "mllib.py"), str(result)),
            ),
            (
                "Moments and eigenvectors against NumPy in memory (target ≤ 1.5)",
                printed(python, str(HERE / "reduction.py")),
            ),
            (
                "JPEGs of 12 megapixels, scaled against full decoding (target ≥ 4)",
                printed(python, str(HERE / "decoding.py"), photos, "--weights", args.weights),
            ),
        ]
        shown = [f"--weights {Path(args.weights).name}", f"--rounds {args.rounds}"]
        command = f"python benchmarks/bench.py --photos PHOTOS {' '.join(shown)}"
        args.page.write_text(page(bench, n_images, others, command), encoding="utf-8")
    print(f"written: {args.page}")


if __name__ == "__main__":
    main()
