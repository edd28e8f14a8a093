"""Everything that speed is held against, side by side on this machine; writes RESULTS.md.

    make bench                                     rendered fruit, the embedded network
    make bench PHOTOS=folder WEIGHTS=imagenet KERAS=file.h5   your photos; the notebooks' chain too
    make bench SECTIONS="peers loop" PHOTOS=...    these sections alone; the page keeps the others
    make bench SECTIONS=before BEFORE=commit       against another version of Orchard
    python benchmarks/bench.py --help

Each comparison alternates: ours, theirs, ours, theirs. A ratio is taken round by round; the median
and the spread are reported. Every run is a process of its own, timed whole, start included, unless
the table says which stages. Each section is written when it is done. Nothing else should run
meanwhile.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

from side_by_side import (
    COMPONENTS,
    HEAD,
    HERE,
    ORCHARD,
    Bench,
    Seconds,
    machine,
    row,
    spread,
    timed,
    version_before,
    versions,
)

from orchard.images.source import list_images


def against_notebooks(bench: Bench) -> str:
    """Whole jobs; and whether ours and theirs found the same components."""
    spectra: dict[str, list[float]] = {}
    stages: dict[str, str] = {}

    def ours(precision: str = "float32", weights: str = "") -> float:
        run = bench.orchard("--precision", precision, weights=weights)
        if (precision, weights) == ("float32", ""):
            table = (bench.scratch / "orchard" / "explained_variance.csv").read_text()
            lines = table.splitlines()[1 : COMPONENTS + 1]
            spectra["ours"] = [float(line.split(",")[2]) for line in lines]
        return float(run["process"])

    def theirs(how: str) -> float:
        run = bench.notebook(how)
        spectra[how] = run["explained_variance_ratio"]
        stages[how] = ", ".join(f"{name} {value:.0f} s" for name, value in run["seconds"].items())
        return float(run["process"])

    times = bench.alternate(
        {
            "ours": ours,
            "ours in int8": lambda: ours("int8"),
            "ours in int8 by OpenVINO": lambda: ours("int8-openvino"),
            "ours in bfloat16": lambda: ours("bfloat16"),
            "ours with fruit": lambda: ours(weights="fruit"),
            "ours with fruit in int8": lambda: ours("int8", "fruit"),
            "notebooks' chain": lambda: theirs("notebook"),
            "that chain done well": lambda: theirs("well"),
        },
        bench.slow_rounds,
    )
    float32, int8, openvino, reduced, fruit, fruit8, chain, well = times.values()
    rows = (
        row("whole job / notebooks' chain", "≥ 25", float32, chain),
        row("whole job in int8 / notebooks' chain", "≥ 20", int8, chain),
        row("whole job in int8 by OpenVINO / notebooks' chain", "≥ 25", openvino, chain),
        row("whole job in bfloat16 / notebooks' chain", "≥ 40", reduced, chain),
        row("whole job with `fruit` at 96 pixels / notebooks' chain", "≥ 80", fruit, chain),
        row("the same in int8 / notebooks' chain", "≥ 55", fruit8, chain),
        row("whole job in int8 / float32", "≥ 2.2", int8, float32),
        row("whole job in int8 / that chain done well", "≥ 5.5", int8, well),
        row("whole job / that chain done well", "≥ 6", float32, well),
    )
    apart = {
        how: max(abs(a - b) for a, b in zip(spectra["ours"], spectra[how], strict=True))
        for how in stages
    }
    notes = (
        f"The notebooks' chain: {stages['notebook']}. Done well: {stages['well']}.",
        f"Of the variance ratios of {COMPONENTS} components, the chain's differ from ours by "
        f"{apart['notebook']:.1g} at most, those of the chain done well by {apart['well']:.1g}.",
    )
    return "\n".join((HEAD, *rows, "", *notes))


def against_peers(bench: Bench) -> str:
    from orchard.model import load_model

    model = load_model(bench.weights, precision=bench.precision)
    (bench.scratch / "model.onnx").write_bytes(model.onnx)
    peers = {"multiprocessing": "multiprocessing", "ray": "Ray Data", "daft": "Daft"}
    runs: dict[str, Seconds] = {"ours": bench.until_embedded}
    runs |= {name: partial(bench.peer, name) for name in peers}
    times = bench.alternate(runs, bench.rounds)
    rows = (
        row(f"embedding / {title}", "≥ 1.0", times["ours"], times[name])
        for name, title in peers.items()
    )
    return "\n".join((HEAD, *rows))


def against_loop(bench: Bench) -> str:
    options = ("--limit", str(bench.n_images), *bench.options)
    return bench.script("embedding.py", bench.photos, *options)


def against_mllib(bench: Bench) -> str:
    bench.orchard()
    result = shutil.copytree(bench.scratch / "orchard", bench.fresh("result"))
    return bench.script("mllib.py", str(result), "--rounds", str(bench.rounds))


def against_numpy(bench: Bench) -> str:
    return bench.script("reduction.py", "--rounds", str(bench.rounds))


def against_full_decoding(bench: Bench) -> str:
    return bench.script("decoding.py", bench.photos, "--weights", bench.weights)


def against_the_disk(bench: Bench) -> str:
    return bench.script("latency.py", bench.photos, *bench.options)


def of_every_day(bench: Bench) -> str:
    with_report = bench.driver_with_report()
    record = bench.orchard()
    again = [*ORCHARD, "run", bench.photos, str(bench.scratch / "orchard"), "--quiet"]
    again += ["--weights", bench.weights, "--components", str(COMPONENTS), "--no-report"]
    nothing_new = [timed(again) for _ in range(bench.rounds)]
    helping = [timed([*ORCHARD, "--help"]) for _ in range(3 * bench.rounds)]
    driver, worker = record["driver"], record["embedding"]["worker_peak_memory"]
    memory = (with_report, driver["peak_memory"], driver["jvm_peak_memory"], worker)
    report, python, jvm, slot = (f"{value / 2**20:,.0f} MiB" for value in memory)
    rows = (
        "| | measured | target |\n|---|---|---|",
        f"| `orchard run` with nothing new, s | {spread(nothing_new)} | ≤ 10 |",
        f"| `orchard --help`, s | {spread(helping)} | ≤ 0.3 |",
        f"| peak memory of the driver: Python, and its JVM | {python}, {jvm} | ≤ 1.5 GiB |",
        f"| the same with the report, in {bench.precision}: Python | {report} | ≤ 0.6 GB |",
        f"| peak memory of a worker slot | {slot} | ≤ 500 MiB |",
    )
    return "\n".join(rows)


def against_before(bench: Bench) -> str:
    """Runs as a user's are: all images, and a hundred of them, where starting is most of it."""
    few = bench.fresh("few")
    few.mkdir()
    for number, path in enumerate(sorted(Path(bench.photos).rglob("*.jpg"))[:100]):
        shutil.copy(path, few / f"{number}.jpg")
    with version_before(bench.before) as (commit, source):
        rows = []
        for title, photos in ("all images", bench.photos), ("100 images", str(few)):
            runs: dict[str, Seconds] = {
                "ours": partial(bench.by_default, photos),
                "ours in int8": partial(bench.by_default, photos, "--precision", "int8"),
                "before": partial(bench.by_default, photos, source=source),
            }
            float32, int8, before = bench.alternate(runs, bench.rounds).values()
            rows.append(row(f"default run, {title}", "≥ 1.0", float32, before))
            rows.append(row(f"the same in int8, {title}", "≥ 2.5", int8, before))
    return "\n".join((HEAD, *rows, "", f"Theirs is the version at commit {commit}."))


def cost_curve(bench: Bench) -> str:
    options = ("--weights", bench.weights, "--precision", bench.precision)
    return bench.script("curve.py", *options)


SECTIONS: dict[str, tuple[str, Callable[[Bench], str]]] = {
    "peers": ("Embedding, against other engines", against_peers),
    "loop": ("Embedding, against a bare loop (target ≥ 0.95)", against_loop),
    "bucket": ("A bucket 30 ms away, against the disk (target ≥ 0.9)", against_the_disk),
    "mllib": ("Standardise, PCA, project: MLlib (target ≥ 12), scikit-learn", against_mllib),
    "numpy": ("Moments and eigenvectors, against NumPy in memory (target ≤ 1.5)", against_numpy),
    "decoding": ("JPEGs of 12 megapixels, scaled decoding (target ≥ 4)", against_full_decoding),
    "before": ("The version before this one, with the report", against_before),
    "everyday": ("Every day", of_every_day),
    "curve": ("The cost curve, and what the dry run says (target within 20 %)", cost_curve),
    "notebooks": ("The whole job, against the notebooks' chain", against_notebooks),
}

WITHOUT_PHOTOS = ("numpy", "curve")

TOP = """# Speed, measured side by side

`make bench` writes this page, a section at a time, on the machine that it runs on. Ratios are
theirs / ours, round by round: median (least to most). Seconds are medians of whole processes, start
included, ours without its findings and report unless a table says so; of the embedding rows, ours
is the run less its reduction.
"""


def write(page: Path, name: str, text: str) -> None:
    """Put a section in its place among those that the page has."""
    found = page.read_text(encoding="utf-8").split("\n## ")[1:] if page.exists() else []
    sections = dict(section.split("\n", 1) for section in found)
    sections[SECTIONS[name][0]] = f"\n{text}\n"
    known = [title for title, _ in SECTIONS.values() if title in sections]
    body = "".join(f"\n## {title}\n{sections[title].rstrip()}\n" for title in known)
    page.write_text(TOP + body, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--photos", help="a folder of .jpg; default: rendered fruit")
    parser.add_argument("--weights", default="fruit")
    parser.add_argument("--keras", default="", help="an .h5, for the notebooks' chain")
    parser.add_argument(
        "--precision", default="int8", choices=("float32", "int8"),
        help="of peers, loop, bucket, curve (default int8)",
    )  # fmt: skip
    parser.add_argument("--images", type=int, default=2000, help="to render (default 2000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slow-rounds", type=int, default=1, help="with the notebooks' chain")
    parser.add_argument("--before", default="", help="a commit; default: the last tag")
    parser.add_argument("--environments", type=Path, default=HERE.parent / ".venv-bench")
    parser.add_argument("--page", type=Path, default=HERE / "RESULTS.md")
    args = parser.parse_args()
    names = args.sections or list(SECTIONS)
    if unknown := set(names) - set(SECTIONS):
        parser.error(f"{', '.join(unknown)}: no such section; there are {', '.join(SECTIONS)}")
    if not args.keras and "notebooks" in names:
        names.remove("notebooks")
        print("notebooks: left out; they need --weights imagenet --keras FILE.h5, of one network")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        photos = args.photos or str(scratch / "photos")
        if not args.photos:
            timed([*ORCHARD, "sample", photos, "--count", str(args.images)])
        rounds = (args.rounds, args.slow_rounds)
        bench = Bench(
            photos, args.weights, *rounds, args.environments, scratch, args.before,
            args.precision, args.keras,
        )  # fmt: skip
        bench.n_images = list_images((photos,)).images.num_rows
        for path in Path(photos).rglob("*.jpg"):
            path.read_bytes()  # into the disk's cache
        for name in names:
            title, measure = SECTIONS[name]
            print(title, flush=True)
            weights = Path(args.weights).name
            command = f"bench.py {name} --photos PHOTOS --weights {weights} --rounds {args.rounds}"
            of_photos = f", {bench.n_images:,} images, {COMPONENTS} components"
            about = f"{date.today()}{'' if name in WITHOUT_PHOTOS else of_photos}"
            text = measure(bench)
            command += " --keras WEIGHTS" if name == "notebooks" else ""
            command += "" if args.precision == "int8" else f" --precision {args.precision}"
            told = f"{about}; {machine()}; {versions()}.\n\n    python benchmarks/{command}"
            write(args.page, name, f"{told}\n\n{text}")
    print(f"written: {args.page}")


if __name__ == "__main__":
    main()
