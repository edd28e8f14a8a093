"""`--weights a,b` from a run to an answer: the same vector everywhere, and no other mixed in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import orchard
from orchard.classify.files import load_classifier
from orchard.classify.predictor import Predictor
from orchard.errors import TableError
from orchard.images.decode import Pixels, decode
from orchard.model import Embedder, load_model
from orchard.model.calibration import calibrate
from orchard.records import vectors_of
from orchard.spark.passes import ModelSource
from orchard.store.output import Output
from orchard.store.tables import Tables
from orchard.web.app import create_app
from orchard.web.ondevice import about
from orchard.web.services import Services
from orchard.web.settings import ServeConfig

VIEWS = ("plain", "zoom")


def test_a_run_stores_what_each_network_computes_alone(
    side_by_side: Path, two_networks: str
) -> None:
    rows = Tables(Output.at(side_by_side)).read("features", ["path", "features"]).slice(0, 5)
    contents = [Path(path).read_bytes() for path in rows["path"].to_pylist()]
    alone = []
    for name in two_networks.split(","):
        model = load_model(name, views=VIEWS)
        seen = [decode(content, model.size, views=VIEWS) for content in contents]
        views = np.stack([one.views for one in seen if isinstance(one, Pixels)])
        alone.append(Embedder(model).mean(views))
    np.testing.assert_array_equal(vectors_of(rows["features"]), np.concatenate(alone, axis=1))


def test_a_second_run_has_nothing_to_do_and_another_order_is_another_kind(
    side_by_side: Path, rendered: Path, two_networks: str
) -> None:
    settings = {
        "sources": (str(rendered),), "output": str(side_by_side), "components": 30, "view": VIEWS,
        "report": False, "dry_run": True,
    }  # fmt: skip
    again = orchard.run(weights=two_networks, **settings)
    assert again.record["estimate"]["n_timed"] == 0
    turned = ",".join(reversed(two_networks.split(",")))
    with pytest.raises(TableError, match="features of another kind: weights_sha256 was"):
        orchard.run(weights=turned, **settings)


def test_a_dry_run_tells_the_time_and_bytes_of_all_networks(
    rendered: Path, two_networks: str, tmp_path: Path
) -> None:
    found = orchard.run(
        sources=(str(rendered),), output=str(tmp_path / "out"), weights=two_networks, dry_run=True,
        master="local[1]",
    )  # fmt: skip
    estimate: dict[str, Any] = found.record["estimate"]
    assert estimate["n_timed"] > 0
    n = found.record["counts"]["listed"]
    assert estimate["features_bytes"] == n * 1286 * 4


def test_in_int8_their_ranges_are_taken_from_the_photos_together(
    rendered: Path, two_networks: str, tmp_path: Path
) -> None:
    found = orchard.run(
        sources=(str(rendered),), output=str(tmp_path / "out"), weights=two_networks, limit=20,
        precision="int8", dry_run=True, master="local[1]",
    )  # fmt: skip
    assert found.record["int8"]["images"] == 20
    assert found.record["int8"]["median"] < 0.02


def test_predict_serve_and_search_answer_from_the_same_vector(
    side_by_side: Path, rendered: Path
) -> None:
    path = max(rendered.rglob("*.jpg"))
    photo = path.read_bytes()
    (expected,) = Predictor.load(side_by_side).predict([photo])
    assert expected.species
    with TestClient(
        create_app(Services(ServeConfig(output=str(side_by_side), answer_seconds=300.0))),
        base_url="http://127.0.0.1",
        client=("127.0.0.1", 50000),
    ) as client:
        found = client.post("/api/identify", content=photo, headers={"content-type": "image/jpeg"})
    assert [guess["id"] for guess in found.json()["species"]] == [g.label for g in expected.species]
    copy = side_by_side.parent / "a copy.jpg"
    copy.write_bytes(photo)
    nearest = orchard.open(side_by_side).nearest(copy, k=1)
    assert nearest["path"].to_pylist() == [str(path)]
    assert nearest["similarity"].to_pylist()[0] > 0.9999


def test_the_page_is_told_what_each_network_takes(side_by_side: Path) -> None:
    network = json.loads(about(load_classifier(Output.at(side_by_side))))["network"]
    assert (network["size"], network["views"]) == (48, ["plain", "zoom", "plain:32", "zoom:32"])
    first, second = network["branches"]
    assert (first["size"], first["shown"], first["input"]["dtype"]) == (48, [0, 1], "uint8")
    assert (second["size"], second["shown"], second["input"]["layout"]) == (32, [2, 3], "NCHW")
    assert first["tensor"] != second["tensor"]


def test_a_worker_that_is_sent_nothing_loads_both_by_name(two_networks: str) -> None:
    model = load_model(two_networks, views=VIEWS)
    ranges = calibrate(model, np.full((1, 48, 48, 3), 99, np.uint8), "test")
    for one in (model, model.in_int8(ranges)):
        found = ModelSource.of("key", None, two_networks, one).load()
        assert (found.branches, found.onnx) == (one.branches, one.onnx)
