"""A million images for real: runs, reruns, faults, a bucket and all that is done with the tables.

    python benchmarks/scale.py WORK                          every part that has no figures yet
    python benchmarks/scale.py WORK run tables               these parts alone
    python benchmarks/scale.py WORK --images 10000 100000    these sizes alone
    python benchmarks/scale.py WORK --again erase            a part once more
    python benchmarks/scale.py WORK page                     benchmarks/SCALE.md from what is there

Each part takes less than an hour at a million and writes its figures to WORK/figures, so that the
command goes on where it was interrupted. WORK needs some 25 GB at a million; every step is a
process of its own, and its memory is the most that the system noted. A figure that was taken while
the machine did other work is marked as such: then the memory holds and the time is an upper bound.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import scale_page
import scale_parts
from scale_parts import PARTS, Work

SIZES = (10_000, 100_000, 1_000_000)
BUSY = 0.5  # cores busy before a command begins: more, and others work too


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=f"parts: {', '.join(PARTS)}, page"
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "page", []])
    parser.add_argument("--images", type=int, nargs="*", default=SIZES)
    parser.add_argument("--again", action="append", default=[], choices=list(PARTS))
    options = parser.parse_args()
    chosen = [*options.parts, *options.again] or [*PARTS, "page"]
    for n in sorted(options.images):
        work = Work(options.work.absolute(), n)
        for name, part in PARTS.items():
            if name not in chosen or (work.has(name) and name not in options.again):
                continue
            if part.only and n not in part.only:
                continue
            print(f"{name}, {n:,} images", flush=True)
            work.keep(name, {"n": n, "steps": part.measure(work)})
        if not options.parts:
            work.clear()
    if "page" in chosen:
        scale_page.write(scale_parts.figures(options.work.absolute()), BUSY)


if __name__ == "__main__":
    main()
