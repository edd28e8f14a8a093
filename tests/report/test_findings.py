"""What the report says of points, neighbours, classes and colours, held against plain NumPy."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from orchard.cli import main
from orchard.config import RunConfig
from orchard.errors import OrchardError
from orchard.records import COMPONENTS, FEATURES, list_column
from orchard.report import classes, embedding_2d, neighbours, summarise
from orchard.report.colours import palette
from orchard.report.cost import costs
from orchard.report.points import (
    MAX_LABELS,
    OTHER,
    Images,
    components_of,
    directions_of,
    stratified,
)
from orchard.store import contents, staging
from orchard.store.output import Output
from orchard.store.tables import Tables

K = 5


def written(folder: Path, labels: list[str | None], vectors: np.ndarray) -> Tables:
    """A result's features and components, two files each."""
    output = Output.at(folder)
    n = len(labels)
    paths = [f"/photos/{number:06d}.png" for number in range(n)]
    nothing = {name: pa.nulls(n, FEATURES.field(name).type) for name in FEATURES.names}
    features = nothing | {
        "path": pa.array(paths),
        "label": pa.array(labels, pa.string()),
        "sha256": pa.array([f"{number // 2 if number < 4 else number}" for number in range(n)]),
        "features": list_column(vectors, FEATURES.field("features").type),
    }
    components = {
        "path": pa.array(paths),
        "label": pa.array(labels, pa.string()),
        "components": list_column(vectors[:, :K], COMPONENTS.field("components").type),
        "pca_id": pa.array(["p"] * n),
    }
    for table, columns, schema in (
        ("features", features, FEATURES),
        ("components", components, COMPONENTS),
    ):
        rows = pa.table(columns, schema=schema)
        halves = rows.slice(n // 2), rows.slice(0, n // 2)
        staged = [
            staging.stage(output, "run", table, f"{i}", part) for i, part in enumerate(halves)
        ]
        Tables(output).commit("run", table, staged)
    return Tables(output)


@pytest.fixture
def vectors() -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.abs(rng.normal(size=(60, 12))).astype(np.float32)


def test_components_come_in_the_order_of_the_paths_asked_for(
    tmp_path: Path, vectors: np.ndarray
) -> None:
    tables = written(tmp_path, ["a"] * 60, vectors)
    asked = [41, 3, 59, 0]
    paths = [f"/photos/{number:06d}.png" for number in asked]
    np.testing.assert_array_equal(components_of(tables, paths, K + 1), vectors[asked, :K])
    np.testing.assert_array_equal(components_of(tables, paths, 2), vectors[asked, :2])
    of_length_1 = vectors[asked] / np.linalg.norm(vectors[asked], axis=1, keepdims=True)
    found = directions_of(tables, paths) / neighbours.ONE
    np.testing.assert_allclose(found, of_length_1, atol=5e-5)


def test_labels_stand_in_the_order_people_count_in(tmp_path: Path, vectors: np.ndarray) -> None:
    labels = ["Apple 10", "Apple 2", None, "pear", "Apple 1"] * 12
    images = Images.read(written(tmp_path, labels, vectors))
    assert images.labels == ("", "Apple 1", "Apple 2", "Apple 10", "pear")
    assert [images.labels[code] for code in images.codes[:5]] == [lab or "" for lab in labels[:5]]


def test_labels_beyond_what_colours_tell_apart_are_one_class(tmp_path: Path) -> None:
    n = MAX_LABELS + 40
    labels = [f"label {number}" for number in range(n)] + ["label 7"] * 5
    images = Images.read(written(tmp_path, labels, np.ones((n + 5, 6), np.float32)))
    assert len(images.labels) == MAX_LABELS + 1
    assert images.labels[-1] == OTHER
    assert (images.codes == MAX_LABELS).sum() == 40
    assert "label 7" in images.labels


def test_a_sample_gives_each_label_its_share_and_none_is_lost() -> None:
    codes = np.repeat(np.arange(4, dtype=np.int32), [9000, 900, 99, 1])
    numbers = np.random.default_rng(0).integers(0, 2**64, len(codes), np.uint64)
    chosen = stratified(codes, 1000, numbers)
    assert len(chosen) == len(set(chosen.tolist())) == 1000
    assert np.bincount(codes[chosen]) == pytest.approx([900, 90, 10, 1], abs=1)
    others = np.setdiff1d(np.arange(9000), chosen)
    assert numbers[chosen[chosen < 9000]].max() < numbers[others].min()
    np.testing.assert_array_equal(stratified(codes[:500], 1000, numbers[:500]), np.arange(500))


def test_neighbours_are_the_nearest_and_never_the_point_itself(vectors: np.ndarray) -> None:
    vectors[7] = vectors[23]  # of equal points either may be found first
    found = neighbours.nearest(vectors, 6)
    apart = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_allclose(found.distances, np.sort(apart, axis=1)[:, :6], atol=1e-3)
    assert not (found.indices == np.arange(60)[:, None]).any()
    assert found.indices[7, 0] == 23


def test_the_image_that_resembles_no_other_is_the_most_unusual(vectors: np.ndarray) -> None:
    vectors[31] += 40
    isolation = neighbours.nearest(vectors, 12).isolation
    assert isolation.argmax() == 31
    assert np.median(isolation) == pytest.approx(1)


def test_near_duplicates_are_alike_but_not_equal(vectors: np.ndarray) -> None:
    vectors[10] = 2 * vectors[50]  # the same direction: cosine 1, whatever the length
    vectors[1] = vectors[0]
    sha256 = ["same", "same", *(str(number) for number in range(2, 60))]
    near = neighbours.nearest(vectors, 40)
    near.indices[10, :1], near.indices[50, :1] = 50, 10
    found = neighbours.near_duplicates(neighbours.directions(vectors), near, sha256)
    assert found.pairs[0].tolist() == [10, 50]
    assert found.cosines[0] == pytest.approx(1, abs=1e-4)
    assert [0, 1] not in found.pairs.tolist()
    assert (found.cosines >= neighbours.NEAR_COSINE).all()


def test_the_map_is_the_same_each_time_and_keeps_groups_together() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(4), 40)
    points = (rng.normal(size=(4, 20)) * 8)[group] + rng.normal(size=(160, 20))
    points = points.astype(np.float32)
    near = neighbours.nearest(points, embedding_2d.n_neighbours(160))
    first, second = (embedding_2d.embed(points, near) for _ in range(2))
    assert first.method == "tsne"
    np.testing.assert_array_equal(first.xy, second.xy)
    found = neighbours.nearest(first.xy, 5).indices
    assert (group[found] == group[:, None]).mean() > 0.99


@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (20, 4)])
def test_few_images_are_placed_by_their_first_two_components(shape: tuple[int, int]) -> None:
    points = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    near = neighbours.nearest(points, embedding_2d.n_neighbours(shape[0]))
    placed = embedding_2d.embed(points, near)
    assert placed.method == "pca"
    np.testing.assert_array_equal(placed.xy[:, : min(2, shape[1])], points[:, :2])


def test_classes_are_described_by_all_their_images(tmp_path: Path, vectors: np.ndarray) -> None:
    labels = [("a", "b", "c")[number % 3] for number in range(60)]
    vectors[::3] += 3
    tables = written(tmp_path, labels, vectors)
    found = classes.describe(tables, Images.read(tables), n_examples=2)
    x = vectors[:, :K].astype(float)
    centre = np.stack([x[start::3].mean(axis=0) for start in range(3)])
    for start in range(3):
        apart = np.linalg.norm(x[start::3] - centre[start], axis=1)
        assert found.count[start] == 20
        assert found.spread[start] == pytest.approx(np.sqrt((apart**2).mean()))
        assert found.typical[start][0] == start + 3 * apart.argmin()
        assert found.atypical[start][0] == start + 3 * apart.argmax()
    assert found.nearest.tolist()[1:] == [2, 1]
    assert found.distance[1] == pytest.approx(np.linalg.norm(centre[1] - centre[2]))


def test_equal_bytes_make_a_set(tmp_path: Path, vectors: np.ndarray) -> None:
    images = Images.read(written(tmp_path, ["a"] * 60, vectors))
    found = summarise.exact_duplicates(images)
    assert (found.n_groups, found.n_images) == (2, 4)
    assert set(found.groups) == {(0, 1), (2, 3)}


@pytest.mark.parametrize("number", [1, 0])
def test_every_colour_stands_out_from_its_ground(number: int) -> None:
    labels = tuple(f"{kind} {step}" for kind in "abcdefghijkl" for step in range(9))
    ground = (0xFF, 0x0F)[number]
    for colours in palette(labels, frozenset()):
        rgb = [int(colours[number][at : at + 2], 16) for at in (1, 3, 5)]
        light, dark = sorted((luminance(rgb), luminance([ground] * 3)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 2.2  # a dot of several pixels, not text
    assert len({pair[number] for pair in palette(labels, frozenset())}) > 0.8 * len(labels)


def luminance(rgb: list[int]) -> float:
    """Relative luminance as WCAG 2 defines it."""
    linear = [v / 3294.6 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in rgb]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_counts_that_do_not_close_are_said_not_to() -> None:
    record: dict[str, Any] = {
        "counts": {"listed": 5, "embedded": 2, "errors": 1, "known_errors": 1}
    }
    assert not summarise.counts(record)["closes"]
    record["counts"]["already_there"] = 1
    assert summarise.counts(record)["closes"]
    assert not summarise.counts({})["closes"]


def test_a_cost_follows_from_what_a_busy_slot_did(tmp_path: Path, vectors: np.ndarray) -> None:
    images = Images.read(written(tmp_path, ["a"] * 60, vectors))
    embedding = {"images": 1000, "worker_seconds": {"read": 2.0, "network": 8.0}}
    config = {"sources": ["photos"], "master": "local[2]", "region": "eu-north-1"}
    found = costs({"embedding": embedding, "config": config}, images)
    assert found is not None
    assert (found.region, found.work.n_images, found.work.uploads) == ("eu-north-1", 60, 60)
    assert found.work.images_per_second == 100.0
    assert found.speed == (0.4, 0.8)
    for master, rate in (("local[1]", 100.0), ("local[6]", 300.0), ("local[*]", 100.0)):
        run = {"embedding": embedding | {"driver_cores": 2}, "config": config | {"master": master}}
        shared = costs(run, images)
        assert shared is not None
        assert shared.work.images_per_second == rate
    assert [cluster.backend for cluster, _ in found.rows] == ["serverless", "ec2"]
    there = costs({"embedding": embedding, "config": config | {"sources": ["s3://b/a"]}}, images)
    assert there is not None
    assert there.work.uploads == 0, "what lies in a bucket is not uploaded"
    abroad = costs({"embedding": embedding, "config": config | {"region": "us-east-1"}}, images)
    assert abroad is not None
    assert abroad.region == "eu-west-3"


@pytest.mark.parametrize(
    "changed",
    [
        {"embedding": None},
        {"embedding": {"images": 63, "worker_seconds": {"network": 1.0}}},
        {"config": {"sources": ["photos"], "master": "submitted"}},
    ],
)
def test_of_too_few_images_or_of_a_cluster_no_cost_is_told(
    tmp_path: Path, vectors: np.ndarray, changed: dict[str, Any]
) -> None:
    images = Images.read(written(tmp_path, ["a"] * 60, vectors))
    record = {
        "embedding": {"images": 64, "worker_seconds": {"network": 1.0}},
        "config": {"sources": ["photos"], "master": "local[*]"},
    }
    assert costs(record, images) is not None
    assert costs(record | changed, images) is None


def test_the_command_is_the_one_that_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    config = RunConfig(
        sources=("more photos",),
        manifest="a list.csv",
        labels="labels.csv",
        exclude_from="a list.txt",
        keep_columns=("sku", "price"),
        web_rate=5.0,
        web_private=True,
        output="out",
        weights="net.onnx",
        size=64,
        precision="bfloat16",
        decode="scaled",
        colour="ignore",
        damaged="keep",
        max_pixels=12_000_000,
        view=("plain", "zoom"),
        components=50,
        pca="keep",
        standardize=False,
        label=r"/(\w)[^/]*$",
        include=("*.jpg", "a b"),
        exclude=("c*",),
        limit=5,
        master="local[2]",
        broadcast=False,
        max_errors="1%",
        event_log="log",
        spark_ui=True,
        endpoint_url="http://127.0.0.1:9000",
        region="eu-west-3",
        thumbnails=False,
        findings=False,
        report=False,
    )
    same = [f.name for f in fields(config) if getattr(config, f.name) == f.default]
    assert same == ["retry_errors", "replace", "dry_run"], "every other option is tried"
    given: list[RunConfig] = []

    def run(config: RunConfig, _: Any) -> None:
        given.append(config)
        raise OrchardError("seen enough")

    monkeypatch.setattr("orchard.pipeline.run", run)
    words = shlex.split(summarise.command(json.loads(json.dumps(asdict(config)))))
    CliRunner().invoke(main, words[1:])
    assert given == [config]


def test_the_command_quotes_what_a_shell_would_take_apart() -> None:
    config = {
        "sources": ["my photos; rm -rf"],
        "output": "out",
        "exclude": ["*.txt", "a'b"],
        "standardize": False,
        "broadcast": False,
        "weights": "imagenet",
        "replace": True,
    }
    assert summarise.command(config) == (
        "orchard run 'my photos; rm -rf' out --exclude '*.txt' --exclude 'a'\"'\"'b' "
        "--no-standardize --no-broadcast"
    )


def test_components_that_fill_memory_are_read_again_with_the_same_result(
    tmp_path: Path, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = written(tmp_path, ["a", "b", "c"] * 20, vectors)
    images, read = Images.read(tables), []
    batches_of = contents.batches_of
    monkeypatch.setattr(contents, "batches_of", lambda *a: read.append(a[1]) or batches_of(*a))
    kept = classes.describe(tables, images, 3)
    assert len(read) == 1
    monkeypatch.setattr(classes, "KEPT_BYTES", 30 * K * 4)  # of one of the two files
    again = classes.describe(tables, images, 3)
    assert len(read) == 3
    np.testing.assert_array_equal(kept.spread, again.spread)
    np.testing.assert_array_equal(kept.typical, again.typical)
