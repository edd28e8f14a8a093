"""Figures of `benchmarks/scale.py` as SCALE.md and two pictures beside it."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

from side_by_side import machine, versions

HERE = Path(__file__).parent
PAGE, SECONDS, MEMORY = HERE / "SCALE.md", HERE / "scale-seconds.svg", HERE / "scale-memory.svg"
MIB = 2**20
TITLES = {
    "render": "Rendering",
    "tables": "What is done with the tables",
    "run": "A run, again, and with more",
    "stopped": "Stopped twice",
    "bucket": "From a bucket 30 ms away",
    "after": "What is done with a real result",
    "files": "Single files",
    "slots": "One slot and two",
    "cluster": "A standalone cluster",
    "yarn": "YARN",
}
ABOUT = {
    "render": "`orchard sample --shards`, on all cores.",
    "tables": "The features were made up (`benchmarks/scale_tables.py`): nothing is embedded, and "
    "all else is real. The first line adopts what a killed run had staged, fits and reports.",
    "run": "`--weights fruit --precision int8`, from shards on the disk, from empty to report.",
    "stopped": "Ctrl-C when half of the rows were staged, SIGKILL to all processes at three "
    "quarters; then the run goes on, and `orchard compare` finds the same result as in one go.",
    "bucket": "Without the report. The server shares the cores.",
    "after": "As above, on a result that was embedded.",
    "files": "As many files in 13 folders, without the report.",
    "slots": "`--master local[1]` and `local[2]`, without the report.",
    "cluster": "Workers of one core each on this machine, without the report.",
    "yarn": "HDFS and YARN with two nodes on this machine, without the report.",
}
TARGETS = (
    ("run", "run", 1_000_000, "seconds", 1200, "whole, from empty to report"),
    ("run", "nothing new", 1_000_000, "seconds", 15, "rerun with nothing new"),
    ("tables", "nothing new", 1_000_000, "seconds", 15, "rerun with nothing new, made-up features"),
    ("run", "1,000 new", 1_000_000, "seconds", 60, "rerun with 1,000 new"),
    ("tables", "1,000 new", 1_000_000, "seconds", 60, "rerun with 1,000 new, made-up features"),
    ("run", "run", 1_000_000, "driver", 1e9, "driver's Python"),
    ("tables", "adopt, fit, report", 1_000_000, "driver", 1e9, "driver's Python, made-up features"),
    ("run", "run", 1_000_000, "slot", 500e6, "a slot"),
)

Measured = list[dict[str, Any]]


def write(found: Measured, busy: float) -> None:
    """found: as `scale_parts.figures` gives them. busy: load above which others worked too."""
    curves = _curves(found)
    _draw(curves, "seconds", SECONDS, "seconds", 1.0)
    _draw(curves, "driver", MEMORY, "MiB, driver's Python", MIB)
    is_busy = any(step["load"] > busy for one in found for step in one["steps"].values())
    text = [
        "# A million images",
        "",
        f"Made by `python benchmarks/scale.py WORK` on {date.today()}; {machine()}; {versions()}.",
        "",
        "A star beside seconds: the machine did other work meanwhile. Memory and growth hold; such "
        "seconds are an upper bound."
        if is_busy
        else "Nothing else ran on the machine.",
        "Seconds are of whole processes; memory is the most of one process of its kind, in MiB. "
        "n log n: how many times the seconds grew from the size before, as a share of what n log n "
        "allows; at most 1 is no faster.",
        "",
        "What gave way on the way, how it was mended, and what a hundred million would take: "
        "`docs/adr/0054-a-hundred-million-on-paper.md`.",
        "",
        "| target | at most | measured |",
        "|---|---|---|",
        *(_target(found, busy, *target) for target in TARGETS),
        "",
        f"![Seconds by images]({SECONDS.name})",
        "",
        f"![Memory of the driver's Python by images]({MEMORY.name})",
        "",
    ]
    for part, title in TITLES.items():
        text += [f"## {title}", "", ABOUT[part], ""]
        rows = list(_rows([one for one in found if one["part"] == part], busy))
        text += [*_HEAD, *rows] if rows else ["Not measured yet."]
        text.append("")
    PAGE.write_text("\n".join(text), encoding="utf-8")


_HEAD = (
    "| step | images | s | CPU s | n log n | driver | JVM | slot | decoder | besides |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


def _rows(found: Measured, busy: float) -> list[str]:
    rows, before = [], dict[str, tuple[int, float]]()
    for name in dict.fromkeys(name for one in found for name in one["steps"]):
        for one in found:
            step = one["steps"].get(name)
            if step is None:
                continue
            n, seconds = one["n"], step["seconds"]
            growth = _growth(before[name], (n, seconds)) if name in before else "–"
            before[name] = (n, seconds)
            star = "*" if step["load"] > busy else ""
            sizes = (f"{step[k] / MIB:,.0f}" if k in step else "–" for k in _KINDS)
            rows.append(
                f"| {name} | {n:,} | {seconds:,.1f}{star} | {step['cpu']:,.0f} | {growth} | "
                f"{' | '.join(sizes)} | {_besides(step)} |"
            )
    return rows


_KINDS = ("driver", "jvm", "slot", "decoder")


def _growth(before: tuple[int, float], now: tuple[int, float]) -> str:
    (n, seconds), (more, longer) = before, now
    allowed = more * math.log(more) / (n * math.log(n))
    return f"{longer / seconds / allowed:.2f}"


def _besides(step: dict[str, Any]) -> str:
    told = []
    if step.get("rate"):
        told.append(f"{step['rate']:,.0f} images/s")
    if step.get("requests"):
        told += [f"{n:,} {kind}" for kind, n in sorted(step["requests"].items())]
    if step.get("page"):
        told.append(f"page of {step['page'] / 1e6:.1f} MB")
    long = {k: v for k, v in step.get("steps", {}).items() if v >= 1 and k != "total"}
    told += [f"{name} {seconds:.0f} s" for name, seconds in long.items()]
    return ", ".join(told)


def _target(
    found: Measured, busy: float, part: str, step: str, n: int, what: str, most: float, about: str
) -> str:
    is_memory = what != "seconds"
    least = f"{most / 1e6:,.0f} MB" if is_memory else f"{most:,.0f} s"
    steps = [one["steps"] for one in found if one["part"] == part and one["n"] == n]
    if not steps or what not in steps[0].get(step, {}):
        return f"| {about} | {least} | not measured yet |"
    value = steps[0][step][what]
    star = "*" if steps[0][step]["load"] > busy else ""
    shown = f"{value / 1e6:,.0f} MB" if is_memory else f"{value:,.0f} s{star}"
    return f"| {about} | {least} | {shown} |"


def _curves(found: Measured) -> dict[str, dict[int, dict[str, Any]]]:
    curves: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for one in found:
        for name, step in one["steps"].items():
            curves[f"{one['part']}: {name}"][one["n"]] = step
    return {name: steps for name, steps in curves.items() if len(steps) > 1}


def _draw(
    curves: dict[str, dict[int, dict[str, Any]]], what: str, path: Path, axis: str, unit: float
) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "orchard", "svg.fonttype": "none", "font.size": 8}
    from matplotlib import pyplot as plt

    figure, at = plt.subplots(figsize=(8, 5), layout="constrained")
    for number, (name, steps) in enumerate(curves.items()):
        points = [(n, step[what] / unit) for n, step in sorted(steps.items()) if what in step]
        if len(points) > 1:
            at.plot(*zip(*points, strict=True), "o-", lw=1, ms=3, label=name,
                    color=plt.get_cmap("tab20")(number % 20))  # fmt: skip
    low, high = 1e4, 1e6
    if what == "seconds":
        grows = [n * math.log(n) / (low * math.log(low)) for n in (low, high)]
        at.plot([low, high], grows, "--", color="grey", lw=1, label="n log n")
    at.set(xscale="log", yscale="log", xlabel="images", ylabel=axis)
    at.grid(which="major", lw=0.3)
    if at.lines:
        at.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
