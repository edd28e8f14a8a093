"""What `benchmarks/scale.py` measures: parts, each a few commands one after the other."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import scale_tables
from folder_bucket import BUCKET, serve
from watched import Watched, watched

SETTINGS = ("--weights", "fruit", "--precision", "int8")
NEW = 1000  # images that come for a rerun
MILLISECONDS = 30
ERASED = 0.01
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}
TESTS = Path(__file__).parent.parent / "tests"

Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Work:
    """folder: WORK. n: images. Shards and results of n lie in a folder of their own."""

    folder: Path
    n: int

    @property
    def here(self) -> Path:
        return self.folder / str(self.n)

    @property
    def shards(self) -> Path:
        return self.here / "shards"

    def result(self, name: str = "result") -> Path:
        return self.here / name

    def has(self, part: str) -> bool:
        return self._file(part).exists()

    def keep(self, part: str, found: dict[str, Any]) -> None:
        file = self._file(part)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".part").write_text(json.dumps(found, indent=1))
        file.with_suffix(".part").replace(file)

    def clear(self) -> None:
        shutil.rmtree(self.here, ignore_errors=True)

    def _file(self, part: str) -> Path:
        return self.folder / "figures" / f"{part}-{self.n}.json"

    def orchard(self, name: str, *words: str, **options: Any) -> dict[str, Any]:
        """One command's figures. Ends the benchmark where it fails."""
        self.here.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "orchard", *map(str, words)]
        options["env"] = {**os.environ, **KEYS, **options.get("env", {})}
        before = _records(words)
        found = watched(command, self.here / f"{name}.log", **options)
        if found.code and "until" not in options:
            sys.exit(f"{' '.join(command)}: {found.code}\n{found.output[-3000:]}")
        return {**found.figures(), **_record(_records(words) - before)}

    def run(self, name: str, source: str, result: Path, *words: str, **options: Any) -> Any:
        return self.orchard(name, "run", source, str(result), *SETTINGS, *words, **options)

    def rendered(self, n: int | None = None) -> dict[str, Any]:
        count = ("--count", str(n or self.n))
        return self.orchard("render", "sample", "--shards", str(self.shards), *count)

    def copy(self, result: Path, name: str) -> Path:
        """A result beside it, by links: files of tables never change."""
        shutil.rmtree(self.result(name), ignore_errors=True)
        return Path(shutil.copytree(result, self.result(name), copy_function=os.link))

    def first_result(self) -> Path:
        """What `run` left, or the same made again."""
        if not (self.result() / "report/drawn.json").exists():
            self.rendered()
            self.run("run", str(self.shards), self.result())
        return self.result()


def figures(folder: Path) -> list[dict[str, Any]]:
    """What was measured, with `part`, by part and size."""
    found = []
    for file in sorted((folder / "figures").glob("*.json")):
        part = file.stem.rpartition("-")[0]
        found.append({"part": part, **json.loads(file.read_text())})
    return sorted(found, key=lambda one: (list(PARTS).index(one["part"]), one["n"]))


def _records(words: Sequence[str]) -> set[Path]:
    return set(Path(words[2], "runs").glob("*.json")) if words[0] == "run" else set()


def _record(new: set[Path]) -> dict[str, Any]:
    """What a run's record says beyond the process; one with nothing to do leaves none."""
    if not new:
        return {}
    record = json.loads(max(new).read_text())
    embedding, report = record.get("embedding", {}), record.get("report") or {}
    return {
        "steps": {k: round(v, 1) for k, v in record["seconds"].items()},
        "embedded": record["counts"]["embedded"],
        "rate": embedding.get("images_per_second"),
        "slot_of_record": embedding.get("worker_peak_memory"),
        "page": report.get("n_bytes"),
    }


def render(work: Work) -> Figures:
    return {"render": work.rendered()}


def run(work: Work) -> Figures:
    """From empty to report; again with nothing new; with NEW more. Leaves the first result."""
    work.rendered()
    shutil.rmtree(work.result(), ignore_errors=True)
    found = {"run": work.run("run", str(work.shards), work.result())}
    found["nothing new"] = work.run("nothing", str(work.shards), work.result())
    more = work.copy(work.result(), "more")
    work.rendered(work.n + NEW)
    found["1,000 new"] = work.run("new", str(work.shards), more)
    work.rendered()
    shutil.rmtree(more)
    return found


def stopped(work: Work) -> Figures:
    """Ctrl-C at half, SIGKILL at three quarters, then to the end: the same as in one go?"""
    whole, result = work.first_result(), work.result("stopped")
    work.rendered()
    shutil.rmtree(result, ignore_errors=True)
    staged = Staged(result)
    half = work.run(
        "half", str(work.shards), result, until=lambda: staged.n > work.n / 2,
        sending=signal.SIGINT,
    )  # fmt: skip
    most = work.run("most", str(work.shards), result, until=lambda: staged.n > work.n * 3 / 4)
    rest = work.run("rest", str(work.shards), result)
    same = work.orchard("same", "compare", str(whole), str(result))
    shutil.rmtree(result)
    return {"to Ctrl-C": half, "to SIGKILL": most, "the rest": rest, "compare": same}


class Staged:
    """How many feature rows a run has written so far; each file is looked at once."""

    def __init__(self, result: Path) -> None:
        self._result, self._known = result, dict[str, int]()

    @property
    def n(self) -> int:
        for file in self._result.glob("_staging/*/features/*.parquet"):
            if file.name not in self._known:
                try:
                    self._known[file.name] = pq.read_metadata(file).num_rows
                except (OSError, ValueError):  # it is moved just now
                    continue
        return sum(self._known.values())


def bucket(work: Work) -> Figures:
    """The same shards from a server that answers late, and its requests."""
    work.rendered()
    disk, far = work.result("disk"), work.result("far")
    found = {"from the disk": work.run("disk", str(work.shards), disk, "--no-report")}
    with serve(work.shards, delay=MILLISECONDS / 1000) as (endpoint, requests):
        words = ("--no-report", "--endpoint-url", endpoint, "--region", "us-east-1")
        found["from the bucket"] = work.run("far", f"s3://{BUCKET}", far, *words)
        found["from the bucket"]["requests"] = requests()
    for folder in (disk, far):
        shutil.rmtree(folder)
    return found


def files(work: Work) -> Figures:
    """Single files in place of shards."""
    folder, result = work.here / "files", work.result("of-files")
    found = {
        "render": work.orchard("files", "sample", str(folder), "--count", str(work.n)),
        "run": work.run("of-files", str(folder), result, "--no-report"),
    }
    found["nothing new"] = work.run("of-files-again", str(folder), result, "--no-report")
    for made in (folder, result):
        shutil.rmtree(made)
    return found


def tables(work: Work) -> Figures:
    """What is done with the tables, on a result whose features were made up (scale_tables)."""
    folder = work.here / "tables"
    shutil.rmtree(folder / "result", ignore_errors=True)  # of a part that was interrupted
    source, result = scale_tables.build(folder, work.n)
    found = {"adopt, fit, report": work.run("adopt", str(source), result)}
    found["nothing new"] = work.run("tables-nothing", str(source), result)
    other = work.copy(result, "other")
    with scale_tables.more(source, work.n, NEW):
        found["1,000 new"] = work.run("tables-new", str(source), result)
    found |= with_tables(work, result, other, scale_tables.paths(result, ERASED))
    for made in (folder, other):
        shutil.rmtree(made)
    return found


def after(work: Work) -> Figures:
    """The same on a real result."""
    result = work.first_result()
    other = work.copy(result, "other")
    found = with_tables(work, result, other, scale_tables.paths(result, ERASED))
    shutil.rmtree(other)
    return found


def with_tables(work: Work, result: Path, other: Path, erased: list[str]) -> Figures:
    """Each command once. erased: paths; what is erased at last leaves no mark on the others."""
    names = work.here / "erased.txt"
    names.write_text("\n".join(erased))
    to = str(work.here / "exported")
    commands: dict[str, tuple[str, ...]] = {
        "compare": ("compare", str(result), str(other)),
        "search": ("search", str(other), "--like", erased[0]),
        "findings": ("findings", str(other)),
        "export, Parquet": ("export", str(other), "--to", to),
        "export, CSV": ("export", str(other), "--format", "csv", "--to", to),
        "train, here": ("train", str(other), "--engine", "local", "--kind", "logistic"),
        "train, MLlib": ("train", str(other), "--engine", "spark", "--kind", "logistic"),
        "erase 1 %": ("erase", str(other), "--from-file", str(names), "--yes"),
        "optimize": ("optimize", str(other)),
        "vacuum": ("vacuum", str(other)),
    }
    found = {}
    for name, words in commands.items():
        done = watched_compare(work, words) if name == "compare" else work.orchard(words[0], *words)
        found[name] = done
    shutil.rmtree(to)
    return found


def watched_compare(work: Work, words: tuple[str, ...]) -> dict[str, Any]:
    """Two results of which one has NEW more are not the same: that is exit code 1."""
    command = [sys.executable, "-m", "orchard", *words]
    found: Watched = watched(command, work.here / "compare.log")
    if found.code not in (0, 1):
        sys.exit(found.output[-3000:])
    return found.figures()


def cluster(work: Work) -> Figures:
    """A standalone cluster, with one worker and with two of one core each."""
    sys.path.insert(0, str(TESTS))
    from cluster.standalone import HOSTS, Cluster

    work.rendered()
    home = work.here / "standalone"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    standing, found = Cluster(home), {}
    try:
        found["two workers"] = _on(work, standing.url, standing.environment)
        standing.wait_until_idle()
        standing.workers.pop(HOSTS[1]).end()
        found["one worker"] = _on(work, standing.url, standing.environment)
    finally:
        standing.close()
    return found


def yarn(work: Work) -> Figures:
    """HDFS and YARN with two nodes; `tests/yarn` fetches Hadoop's jars once."""
    sys.path.insert(0, str(TESTS))
    from yarn.hadoop import Hadoop

    work.rendered()
    home = work.here / "hadoop"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    hadoop = Hadoop(home)
    try:
        return {"two nodes": _on(work, hadoop.url, hadoop.environment)}
    finally:
        hadoop.close()


def slots(work: Work) -> Figures:
    """One slot of this machine, and two."""
    work.rendered()
    return {f"{k} slots": _on(work, f"local[{k}]", {}) for k in (1, 2)}


def _on(work: Work, master: str, env: dict[str, str]) -> dict[str, Any]:
    result = work.result("elsewhere")
    shutil.rmtree(result, ignore_errors=True)
    words = ("--no-report", "--master", master)
    found = work.run("elsewhere", str(work.shards), result, *words, env=env)
    shutil.rmtree(result)
    return dict(found)


@dataclass(frozen=True)
class Part:
    """measure: what it does. only: the sizes that it is for, all where none are named."""

    measure: Callable[[Work], Figures]
    only: tuple[int, ...] = ()


PARTS = {
    "render": Part(render),
    "tables": Part(tables),
    "run": Part(run),
    "stopped": Part(stopped),
    "bucket": Part(bucket),
    "after": Part(after),
    "files": Part(files),
    "slots": Part(slots, (100_000,)),
    "cluster": Part(cluster, (100_000,)),
    "yarn": Part(yarn, (100_000,)),
}
