"""Take the ranges again that the package holds of a network known by name.

    python benchmarks/ranges.py imagenet FRUITS-360-TEST GROCERY --weights FILE.h5
    python benchmarks/ranges.py fruit FRUITS-360-TEST GROCERY

Of each folder the photos whose path has the least SHA-256, as many of each; seen in float32 at the
network's own size. `--weights` where the network's own file is not in the cache.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from orchard.images.decode import Pixels, decode
from orchard.model import CARDS, load_model
from orchard.model.calibration import calibrate
from orchard.model.ranges import KNOWN

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "orchard" / "model"
COUNT = 128  # of each folder


def by_hash(folder: Path) -> list[Path]:
    """All photos of a folder in an order that depends on nothing but their names."""

    def key(path: Path) -> str:
        return hashlib.sha256(str(path.relative_to(folder.parent)).encode()).hexdigest()

    return sorted(folder.resolve().rglob("*.jpg"), key=key)


def pictures(paths: list[Path], size: int) -> Iterator[np.ndarray]:
    for path in paths:
        found = decode(path.read_bytes(), size)
        if isinstance(found, Pixels):
            yield found.array


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=KNOWN)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--weights", help="the same network as a file")
    arguments = parser.parse_args()
    size = CARDS[arguments.name].default_size
    paths = [path for folder in arguments.folders for path in by_hash(folder.resolve())[:COUNT]]
    model = load_model(arguments.weights or arguments.name, size)
    taken = f"{len(paths)} photos of {' and '.join(f.resolve().name for f in arguments.folders)}"
    ranges = calibrate(model, pictures(paths, size), f"{taken} at {size} pixels")
    text = json.dumps(ranges.fields(), sort_keys=True, separators=(",", ":"))
    text = text.replace('],"', '],\n"').replace(',"tensors"', ',\n"tensors"')
    (PACKAGE / f"{arguments.name}.ranges.json").write_text(f"{text}\n", encoding="utf-8")
    print(f"{arguments.name}: {len(ranges.tensors)} ranges, {ranges.digest}, {taken}")


if __name__ == "__main__":
    main()
