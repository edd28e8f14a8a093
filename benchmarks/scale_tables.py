"""A result of a million images without a million embeddings, for what is done with tables.

    python benchmarks/scale_tables.py FOLDER N

FOLDER/shards are tars that `orchard pack` might have written: N members with names, sizes and
checksums, an index, and a few bytes where a picture would be. FOLDER/result then holds, staged as
by a run that was killed at its end, feature rows of all of them and thumbnails of a part. What
follows is real: `orchard run` lists, plans, adopts, commits, fits, projects and reports.

Vectors are of 64 per label, each row with eight values of its own, so that a million of 5 kB take
some 300 MB on the disk: in memory they are as large as any.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from orchard.embedding.fingerprint import EmbeddingIdentity
from orchard.images.source import list_images
from orchard.images.thumbnail import as_jpeg, gets_one, share, small
from orchard.model import load_model
from orchard.packing import shards
from orchard.packing.shards import Entry
from orchard.pipeline.planning import MAX_IMAGES
from orchard.records import FEATURES, THUMBNAILS, list_column
from orchard.samples.rendered_shards import PER_SHARD, frames
from orchard.samples.turntable import SPECIES, render
from orchard.storage import DEFAULT
from orchard.store import staging
from orchard.store.output import Output
from orchard.store.runs import new_run_id
from orchard.store.tables import Tables

WEIGHTS, PRECISION = "fruit", "int8"
OF_A_LABEL, OWN = 64, 8


def write_shards(folder: Path, n: int) -> None:
    for number in range(-(-n // PER_SHARD)):
        numbers = range(number * PER_SHARD, min(n, (number + 1) * PER_SHARD))
        entries = (
            Entry(f"{SPECIES[k % len(SPECIES)]}/{k:09d}_100.jpg", b"%d" % k) for k in numbers
        )
        shards.write(str(folder), number, entries, DEFAULT)


def stage_features(folder: Path, output: Output) -> int:
    """Feature rows of every image of a source; how many."""
    images = list_images((str(folder),)).images
    model = load_model(WEIGHTS, precision=PRECISION)
    fingerprint = EmbeddingIdentity.of(model).fingerprint
    rng = np.random.default_rng(0)
    kinds = rng.gamma(0.3, 0.5, (len(SPECIES), OF_A_LABEL, model.dim)).astype(np.float32)
    pictures = {name: as_jpeg(small(render(name, 0))) for name in SPECIES}
    run_id, seen = new_run_id(), share(images.num_rows)
    for task, start in enumerate(range(0, images.num_rows, MAX_IMAGES)):
        part = images.slice(start, MAX_IMAGES)
        rows = _features(part, kinds, rng, fingerprint, run_id)
        small_ones = pa.Table.from_pylist(
            [
                {"path": p, "sha256": s, "jpeg": pictures[label], "run_id": run_id}
                for p, s, label in zip(
                    *(rows[name].to_pylist() for name in ("path", "sha256", "label")), strict=True
                )
                if gets_one(p, seen)
            ],
            schema=THUMBNAILS,
        )
        if small_ones.num_rows:
            staging.stage(output, run_id, "thumbnails", f"{task:06d}", small_ones)
        staging.stage(output, run_id, "features", f"{task:06d}", rows)
    return images.num_rows


def _features(
    part: pa.Table, kinds: np.ndarray, rng: np.random.Generator, fingerprint: str, run_id: str
) -> pa.Table:
    n = part.num_rows
    of = {name: number for number, name in enumerate(SPECIES)}
    codes = np.array([of[label] for label in part["label"].to_pylist()])
    # Rows in a cycle of kinds: what repeats lies near, and the file is small.
    vectors = kinds[codes, np.arange(n) // len(SPECIES) % OF_A_LABEL % 8]
    vectors[:, :OWN] = rng.gamma(0.3, 0.5, (n, OWN))
    digests = [hashlib.sha256(path.encode()).hexdigest() for path in part["path"].to_pylist()]
    columns = {name: part[name] for name in part.column_names} | {
        "sha256": pa.array(digests),
        "width": pa.repeat(pa.scalar(100, pa.int32()), n),
        "height": pa.repeat(pa.scalar(100, pa.int32()), n),
        **{
            name: pa.array(rng.random(n), pa.float32())
            for name in ("sharpness", "brightness", "clipped")
        },
        "features": list_column(vectors, FEATURES.field("features").type),
        "fingerprint": pa.repeat(fingerprint, n),
        "run_id": pa.repeat(run_id, n),
    }
    return pa.table(columns, schema=FEATURES)


def build(folder: Path, n: int) -> tuple[Path, Path]:
    """The source and the result, as far as they are not there."""
    source, result = folder / "shards", folder / "result"
    if not source.exists():
        write_shards(source, n)
    if not result.exists():
        stage_features(source, Output.at(str(result)))
    return source, result


@contextmanager
def more(folder: Path, n: int, new: int) -> Iterator[None]:
    """Real pictures beside the others meanwhile, in a shard behind them."""
    number = -(-n // PER_SHARD)
    pictures = islice(frames(number), new)
    entries = (Entry(f"{f.species}/{f.name(100)}", f.encoded(0, 100)) for f in pictures)
    shards.write(str(folder), number, entries, DEFAULT)
    yield
    shards.remove(str(folder), number, DEFAULT)


def paths(result: Path, share: float) -> list[str]:
    """Of that share of a result's images, evenly from all."""
    found = Tables(Output.at(str(result))).read("features", ["path"])["path"].to_pylist()
    return found[:: round(1 / share)]


if __name__ == "__main__":
    build(Path(sys.argv[1]), int(sys.argv[2].replace("_", "")))
