"""Runs in int8: whose ranges they take, that these stay with the result, and that nothing mixes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import orchard
from orchard.embedding.fingerprint import INT8_TOLERANCE, EmbeddingIdentity, network_of
from orchard.errors import ConfigError, TableError
from orchard.model import load_model
from orchard.model.ranges import Ranges, known_ranges
from orchard.progress import Reporter
from orchard.records import vectors_of
from orchard.store.damage import to_json


@pytest.fixture(scope="module")
def by_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network whose ranges nobody knows: that of the package, as a file."""
    path = tmp_path_factory.mktemp("network") / "net.onnx"
    path.write_bytes(load_model("fruit", 32).onnx)
    return str(path)


@pytest.fixture(scope="module")
def result(
    run: Any, photos: Path, by_path: str, tmp_path_factory: pytest.TempPathFactory
) -> orchard.Result:
    """A first run in int8, of the first 30 photos."""
    output = tmp_path_factory.mktemp("int8") / "out"
    exclude = ("*sweet pepper/*",)
    return run(photos, output, weights=by_path, size=None, precision="int8", exclude=exclude)  # type: ignore[no-any-return]


def card_of(result: orchard.Result) -> tuple[Path, dict[str, Any]]:
    (path,) = Path(result.output, "models/embedding").iterdir()
    return path, json.loads(path.read_text())


def test_the_ranges_of_a_network_by_path_are_taken_and_kept(result: orchard.Result) -> None:
    _, card = card_of(result)
    ranges = Ranges.of(card["ranges"])
    assert card["fields"]["precision"] == "int8"
    assert card["fields"]["ranges"] == ranges.digest
    assert ranges.taken == "30 views of images of the source"
    drift = result.record["int8"]
    assert drift["images"] == 30
    assert 0 < drift["median"] <= drift["p99"] < 0.05


def test_new_images_are_embedded_with_the_ranges_of_the_first_run(
    run: Any, result: orchard.Result, photos: Path, by_path: str, tmp_path: Path
) -> None:
    shutil.copytree(result.output, tmp_path / "out")
    more = run(photos, tmp_path / "out", weights=by_path, size=None, precision="int8")
    assert more.record["fingerprint"] == result.record["fingerprint"]
    assert more.record["counts"]["embedded"] == 10
    assert "int8" not in more.record, "nothing was taken anew"
    stored = card_of(more)[1]
    network, _ = network_of(stored, by_path)
    assert EmbeddingIdentity.of(network).fingerprint == more.record["fingerprint"]


def test_replaced_tables_take_ranges_of_their_own(
    run: Any, result: orchard.Result, photos: Path, by_path: str, tmp_path: Path
) -> None:
    shutil.copytree(result.output, tmp_path / "out")
    settings = {"weights": by_path, "size": None, "precision": "int8", "replace": True}
    more = run(photos, tmp_path / "out", **settings)
    assert more.record["fingerprint"] != result.record["fingerprint"]
    assert more.record["int8"]["images"] == 40


def test_workers_that_load_the_network_themselves_make_the_same_one(
    run: Any, result: orchard.Result, photos: Path, by_path: str, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"weights": by_path, "size": None, "precision": "int8"}
    settings["exclude"] = ("*sweet pepper/*",)
    again = run(photos, tmp_path / "out", broadcast=False, **settings)
    assert again.record["fingerprint"] == result.record["fingerprint"]
    found, expected = (vectors_of(r.features()["features"]) for r in (again, result))
    np.testing.assert_array_equal(found, expected)


def test_the_nearest_images_are_asked_for_in_the_same_precision(
    result: orchard.Result, photos: Path
) -> None:
    first = sorted(photos.rglob("*.png"))[0]
    (row,) = result.nearest(first.read_bytes(), k=1).to_pylist()
    assert (row["path"], round(row["similarity"], 6)) == (str(first), 1.0)


def test_int8_and_float32_are_not_mixed(
    run: Any, photo_result: orchard.Result, photos: Path
) -> None:
    with pytest.raises(TableError, match="precision was 'float32' and is 'int8'"):
        run(photos, Path(photo_result.output), precision="int8")


def test_a_source_without_images_gives_no_ranges(run: Any, by_path: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/1.jpg").write_text("no picture")
    with pytest.raises(ConfigError, match="no image could be read to take the ranges"):
        run(tmp_path / "in", tmp_path / "out", weights=by_path, size=None, precision="int8")
    assert not (tmp_path / "out").exists()


def test_a_network_that_drifts_far_is_warned_of(
    run: Any, photos: Path, by_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchard.pipeline import networks

    monkeypatch.setattr(networks, "MUCH", 0.0)
    console = Console(record=True, width=300)
    settings: dict[str, Any] = {"weights": by_path, "size": None, "precision": "int8"}
    run(photos, tmp_path / "out", reporter=Reporter(console, quiet=True), dry_run=True, **settings)
    assert "that is much: compare results before you rely on it" in console.export_text()


def test_a_known_network_is_known_by_its_own_ranges() -> None:
    identity = EmbeddingIdentity.of(load_model("fruit", 32, "int8"))
    assert identity.fields["ranges"] == known_ranges("fruit").digest
    assert "ranges" not in EmbeddingIdentity.of(load_model("fruit", 32)).card()


def test_a_probe_that_moved_further_than_int8_may_is_refused() -> None:
    """A little further is what another CPU may make of it; float32 has no such room."""
    identity = EmbeddingIdentity.of(load_model("fruit", 32, "int8"))
    for moved, refused in ((0.9 * INT8_TOLERANCE, False), (1.1 * INT8_TOLERANCE, True)):
        stored = json.loads(to_json(identity.card()))
        stored["probe_features"][3] += moved
        if refused:
            with pytest.raises(TableError, match=r"moved by 0\.022 \(at most 0\.02\)"):
                identity.check(stored, "out")
        else:
            identity.check(stored, "out")


def test_sums_that_saturate_are_refused_by_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of the wrong size stand for kernels that compute something else."""
    from orchard.model import quantised

    identity = EmbeddingIdentity.of(load_model("fruit", None, "int8"))
    monkeypatch.setattr(quantised, "DENSE", 8)
    other = load_model("fruit", None, "int8")
    with pytest.raises(TableError, match="the features of the probe image moved"):
        EmbeddingIdentity.of(other).check(identity.card(), "out")
