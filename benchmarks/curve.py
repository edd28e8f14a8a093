"""Images a second by the number of images and of slots, and the dry run's prediction beside them.

    python benchmarks/curve.py [--weights imagenet] [--precision int8] [--images 1000 10000]

Rendered fruit of 100 x 100 pixels. Each run is `orchard run` as a user starts it, report included,
a process of its own timed whole; the prediction is `--dry-run`'s, just before it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orchard
from orchard.progress import Reporter
from orchard.samples.turntable import write_sample

Network = dict[str, Any]
ONE_SLOT_UP_TO = 24_000  # beyond, one slot would add hours and no news


def predicted(photos: Path, network: Network, n: int, slots: int) -> float:
    config = orchard.RunConfig(
        sources=(str(photos),),
        output="unused",
        **network,
        limit=n,
        master=f"local[{slots}]",
        dry_run=True,
    )
    return float(orchard.run(config, Reporter(quiet=True)).record["estimate"]["seconds"])


def taken(photos: Path, network: Network, n: int, slots: int) -> tuple[float, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "orchard", "run", str(photos), output, "--quiet"]
        command += [f"--{name}={value}" for name, value in network.items()]
        command += ["--limit", str(n), "--master", f"local[{slots}]"]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - started
        (record,) = Path(output, "runs").glob("*.json")
        return seconds, json.loads(record.read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="fruit")
    parser.add_argument("--precision", choices=("float32", "int8"), default="float32")
    parser.add_argument("--images", type=int, nargs="*", default=[1000, 10_000, 24_000, 100_000])
    parser.add_argument("--slots", type=int, nargs="*", default=[len(os.sched_getaffinity(0)), 1])
    args = parser.parse_args()
    network = {"weights": args.weights, "precision": args.precision}
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder)
        write_sample(photos, max(args.images))
        print("  images  slots  predicted s  took s  predicted/took  embedding img/s  whole img/s")
        for slots in args.slots:
            for n in args.images:
                if slots == 1 and n > ONE_SLOT_UP_TO:
                    continue
                expected = predicted(photos, network, n, slots)
                seconds, record = taken(photos, network, n, slots)
                rate = record["embedding"]["images_per_second"]
                print(
                    f"{n:8,} {slots:6} {expected:12.1f} {seconds:7.1f} {expected / seconds:15.2f} "
                    f"{rate:16.1f} {n / seconds:12.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
