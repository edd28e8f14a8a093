"""The processing record names every place where a result holds something of people."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from orchard.errors import TableError
from orchard.records import COMPONENTS, FEATURES, THUMBNAILS
from orchard.result.processing_record import Statement, record
from orchard.store import contributions, galleries, reviews, staging
from orchard.store.output import Output
from orchard.store.tables import Tables

PATH = "/photos/me.jpg"

RUN = "20261130T120000.000000Z-0000a1"


@pytest.fixture
def output(tmp_path: Path) -> Output:
    """A result of one image and a network that gives three numbers of it."""
    made = Output.at(tmp_path / "out")
    row = dict.fromkeys(FEATURES.names) | {"path": PATH, "features": [0.5, 0.25, 1.0]}
    rows = pa.Table.from_pylist([row], FEATURES)
    Tables(made).commit(RUN, "features", [staging.stage(made, RUN, "features", "0", rows)])
    config = {"sources": ["photos"], "weights": "fruit", "output": "out"}
    run = {
        "run_id": RUN, "started": "2026", "seconds": {}, "sources": ["/home/x/photos"],
        "config": config,
    }  # fmt: skip
    made.put_json(f"runs/{RUN}.json", run)
    return made


def test_it_says_how_many_numbers_this_network_gives(output: Output) -> None:
    found = record(output, Statement(), {}).stored["features"]
    assert "and 3 numbers from which" in found


def test_it_names_thumbnails_galleries_and_contributions_where_they_are(output: Output) -> None:
    stored = record(output, Statement(), {}).stored
    assert not {"report", "classifiers", "contributions", "thumbnails"} & set(stored)
    output.put("report/index.html", b"a map")
    picture = pa.Table.from_pylist([{"path": PATH, "jpeg": b"small"}], schema=THUMBNAILS)
    staged = staging.stage(output, RUN, "thumbnails", "0", picture)
    Tables(output).commit(RUN, "thumbnails", [staged])
    row = {"path": PATH, "label": None, "components": [1.0]}
    gallery = pa.Table.from_pylist([row], COMPONENTS.remove(3))
    rows = gallery.rename_columns(galleries.SCHEMA.names).cast(galleries.SCHEMA)
    galleries.put(output, "models/classifier/0123456789abcdef", rows)
    contributions.add(output, b"jpeg", keep_days=9)
    made = record(output, Statement(), {})
    assert made.stored["report"].startswith("thumbnails")
    assert made.stored["thumbnails"].startswith("small pictures of 1 images")
    assert made.stored["classifiers"].startswith("1: path, label and numbers")
    assert made.stored["contributions"].startswith("1 images that people gave")
    assert "--contribution CODE" in made.erasure["contributions"]
    assert "accepted" not in made.stored
    reviews.decide(output, contributions.kept(output)[0], "accept", "Kiwi")
    made = record(output, Statement(), {})
    assert made.stored["contributions"].startswith("1 images that people gave")
    assert made.stored["accepted"].startswith("1 of these images, accepted for training")


def test_sources_are_named_in_full(output: Output) -> None:
    assert record(output, Statement(), {}).sources == ["/home/x/photos"]


@pytest.mark.parametrize("damage", ["{", "[]", json.dumps({"started": "x"})])
def test_a_damaged_run_is_one_sentence(output: Output, damage: str) -> None:
    output.put("runs/20261130T120000.000000Z-0000a2.json", damage.encode())
    with pytest.raises(TableError, match=r"0000a2\.json is not as it was stored"):
        record(output, Statement(), {})
