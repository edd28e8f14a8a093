"""Run Orchard on real photos and write the first part of docs/results.md.

    python benchmarks/real_photos.py FRUITS GROCERY WEIGHTS

FRUITS: the Test part of Fruits-360; GROCERY: another folder of photos; WEIGHTS: Keras's ImageNet
file or the name of a model. Every figure there comes from the records of these runs.
"""

from __future__ import annotations

import csv
import os
import platform
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import orchard
from orchard.progress import Reporter
from orchard.result.compare import compare
from orchard.store.output import Output
from orchard.store.tables import Tables

PAGE = Path(__file__).resolve().parent.parent / "docs" / "results.md"
OTHERS = "## Against a bare loop"  # from here on the page is of other commands, and stays
SHOWN = (1, 13, 25, 37, 49, 61, 73, 85)


def run(sources: tuple[str, ...], output: Path, weights: str, **settings: Any) -> dict[str, Any]:
    config = orchard.RunConfig(sources=sources, output=str(output), weights=weights, **settings)
    return orchard.run(config, Reporter()).record


def cumulative(output: Path) -> str:
    with (output / "explained_variance.csv").open(encoding="utf-8") as file:
        ratios = {int(row["component"]): row["cumulative_ratio"] for row in csv.DictReader(file)}
    return " | ".join(f"{float(ratios[k]):.4f}" for k in SHOWN)


def rows(output: Path) -> str:
    tables = Tables(Output.at(output))
    return " | ".join(f"{tables[name].n_rows:,}" for name in ("features", "components", "errors"))


def mebibytes(value: int) -> str:
    return f"{value / 2**20:,.0f} MiB"


def page(fruits: str, grocery: str, weights: str, scratch: Path) -> str:
    slots = len(os.sched_getaffinity(0))
    first = run((fruits,), scratch / "fruits", weights, master=f"local[{slots}]")
    again = run((fruits,), scratch / "fruits", weights)
    ninety = run((fruits,), scratch / "fruits", weights, components=0.90)
    raw = run((fruits,), scratch / "raw", weights, master=f"local[{slots + 1}]", standardize=False)
    raw_eighty = run((fruits,), scratch / "raw", weights, components=0.80, standardize=False)
    raw_ratios = cumulative(scratch / "raw")
    run((fruits,), scratch / "raw", weights, master=f"local[{slots + 1}]")
    run((fruits,), scratch / "fruits", weights)
    same = compare(Output.at(scratch / "fruits"), Output.at(scratch / "raw"))
    shops = run((grocery,), scratch / "shops", weights)
    both = run((fruits, grocery), scratch / "both", weights)
    embedding = first["embedding"]
    seconds = " | ".join(f"{value:.1f}" for value in first["seconds"].values())
    stages = " | ".join(first["seconds"])
    libraries = ", ".join(f"{name} {version}" for name, version in first["versions"].items())
    return f"""# On real photos

Made by `python benchmarks/real_photos.py FRUITS GROCERY WEIGHTS` on {date.today()}, {slots} cores
({platform.machine()}), nothing else running. FRUITS is the Test part of Fruits-360, GROCERY the
photos of fruit and vegetables of the Grocery Store Dataset, WEIGHTS an ImageNet file in Keras'
layout.
{libraries}.

## Rows

| source | features | components | errors | k at 95 % |
|---|---|---|---|---|
| Fruits-360 Test | {rows(scratch / "fruits")} | {first["pca"]["n_components"]} |
| Grocery | {rows(scratch / "shops")} | {shops["pca"]["n_components"]} |
| both at once | {rows(scratch / "both")} | {both["pca"]["n_components"]} |

## Components of Fruits-360 Test

| | k |
|---|---|
| standardised, 90 % | {ninety["pca"]["n_components"]} |
| standardised, 95 % | {first["pca"]["n_components"]} |
| not standardised, 80 % | {raw_eighty["pca"]["n_components"]} |
| not standardised, 95 % | {raw["pca"]["n_components"]} |

Cumulative share of the variance by number of components:

| | {" | ".join(map(str, SHOWN))} |
|---|{"---|" * len(SHOWN)}
| not standardised | {raw_ratios} |
| standardised | {cumulative(scratch / "fruits")} |

## Time and memory, Fruits-360 Test, {first["counts"]["listed"]:,} images

{embedding["images_per_second"]:.0f} images/s while embedding, worker start included; the model was
loaded {embedding["model_loads"]} times by {embedding["worker_processes"]} worker processes, from
{embedding["broadcast_bytes"] / 1e6:.1f} MB broadcast.

| stage | {stages} |
|---|{"---|" * len(first["seconds"])}
| seconds | {seconds} |

Run again with nothing new: {again["seconds"]["total"]:.1f} s. Peak memory: a worker
{mebibytes(embedding["worker_peak_memory"])}, the driver's Python
{mebibytes(first["driver"]["peak_memory"])}, its JVM
{mebibytes(first["driver"]["jvm_peak_memory"])}.

## Twice, with other partitions

The set embedded a second time with {slots + 1} slots, so cut into other tasks, and compared by
`orchard compare`: {"equal" if same.is_equal else "NOT equal"}. {same.n_both:,} images in both,
largest feature difference {same.feature_difference:.2g}, components {same.n_components[0]} and
{same.n_components[1]}, largest difference of a component {same.component_difference:.2g} of its
standard deviation, up to sign.
"""


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    _, heading, others = PAGE.read_text(encoding="utf-8").partition(OTHERS)
    with tempfile.TemporaryDirectory() as scratch:
        made = page(*sys.argv[1:], Path(scratch))
    PAGE.write_text(f"{made}\n{heading}{others}" if heading else made, encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
