"""All images on the map: those that t-SNE did not place, and how they travel in the page."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import orchard
from orchard.report import clusters, encoding, findings, placing
from orchard.report.build import build
from orchard.report.page import render
from orchard.report.points import Images
from orchard.store import runs
from orchard.store.output import Output
from orchard.store.tables import Tables
from tests.report.test_page import N_IMAGES, Elements, copy, script, shown_text


def numbers(column: encoding.Column) -> np.ndarray:
    """What a reader makes of a column, by the words of encoding.py alone."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(column.text), -15), np.uint8)
    width = int(column.kind[1])
    values = planes.reshape(width, -1).T.copy().view(f"<{column.kind}").reshape(column.width, -1)
    return values.T.squeeze()


def grouped(n: int, d: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    group = np.arange(n) % 9
    centres = rng.normal(scale=6, size=(9, d))
    return (centres[group] + rng.normal(size=(n, d))).astype(np.float32), group


@pytest.mark.parametrize(("kind", "most"), [("u1", 255), ("u2", 65535), ("u4", 2**32 - 1)])
def test_a_column_holds_the_numbers_that_went_in(kind: str, most: int) -> None:
    values = np.random.default_rng(0).integers(0, most, (1000, 2), endpoint=True)
    np.testing.assert_array_equal(numbers(encoding.column(values, kind)), values)
    one = encoding.column(values[:, 0], kind)
    assert (one.width, one.n) == (1, 1000)
    np.testing.assert_array_equal(numbers(one), values[:, 0])


def test_classes_in_the_order_of_paths_take_hardly_any_bytes() -> None:
    codes = np.repeat(np.arange(100), 1000)
    assert len(encoding.column(codes, "u2").data) < len(codes) / 50


def test_paths_come_whole_whatever_characters_they_hold() -> None:
    paths = [f"/photos/{name}.jpg" for name in ("a", "é\n", "", "\U0001f34e" * 3, "b\0c", "z")]
    packed = encoding.paths_of(pa.chunked_array([paths[:2], paths[2:]]), "/photos/", 10_000)
    data, ends = numbers(packed["paths"]).tobytes(), np.cumsum(numbers(packed["lengths"]))
    found = [part.tobytes().decode() for part in np.split(np.frombuffer(data, np.uint8), ends[:-1])]
    assert found == [path.removeprefix("/photos/") for path in paths]


def test_of_paths_too_many_for_a_page_the_first_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    paths = [f"/{bytes(rng.integers(0, 256, 20, np.uint8)).hex()}" for _ in range(4000)]
    monkeypatch.setattr(encoding, "PATHS_AT_ONCE", 500)
    packed = encoding.paths_of(pa.chunked_array([paths]), "/", 50_000)
    assert packed["lengths"].n in range(1500, 2500)
    assert len(packed["paths"].data) <= 50_000 + 10
    known = "".join(path[1:] for path in paths[: packed["lengths"].n])
    assert numbers(packed["paths"]).tobytes().decode() == known


def test_an_image_stands_among_those_it_resembles() -> None:
    vectors, group = grouped(6000)
    xy = np.stack([np.cos(group), np.sin(group)], axis=1).astype(np.float32) * 50
    xy += np.random.default_rng(1).normal(size=xy.shape).astype(np.float32)
    place = placing.Placing(vectors[:4000], xy[:4000])
    found, nearest = place(vectors[4000:])
    np.testing.assert_allclose(found, xy[4000:], atol=8)
    squared = ((vectors[4000:, None] - vectors[None, :4000]) ** 2).sum(axis=2)
    assert (nearest == squared.argmin(axis=1)).mean() > 0.85
    itself, own = place(vectors[:50])
    np.testing.assert_array_equal(own, np.arange(50))
    np.testing.assert_allclose(itself, xy[:50], atol=1e-3)


def test_parts_of_any_size_give_the_same_places() -> None:
    vectors, _ = grouped(900)
    place = placing.Placing(vectors[:300], vectors[:300, :2])
    wanted = np.arange(900) >= 300
    rows = np.random.default_rng(2).permutation(900)
    whole = placing.place([(rows, vectors[rows])], place, wanted)
    parts = placing.place([(r, vectors[r]) for r in np.split(rows, 9)], place, wanted)
    np.testing.assert_array_equal(whole.rows, np.arange(300, 900))
    np.testing.assert_allclose(whole.xy, parts.xy, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(whole.nearest, parts.nearest)


def test_dense_parts_of_the_map_are_groups() -> None:
    rng = np.random.default_rng(0)
    middles = np.array([[0, 0], [40, 0], [0, 40]])
    xy = np.concatenate(
        [m + rng.normal(size=(n, 2)) for m, n in zip(middles, (100, 300, 200), strict=True)]
    )
    group = clusters.groups(xy.astype(np.float32))
    assert [
        int(np.median(group[part])) for part in (slice(100), slice(100, 400), slice(400, 600))
    ] == [2, 0, 1]
    assert (group >= 0).mean() > 0.9


def test_a_group_is_named_by_the_words_of_its_paths() -> None:
    paths = [f"market/IMG_{i}_golden_apple.jpg" for i in range(20)]
    paths += [f"market/ripe banana {i}.JPG" for i in range(20)]
    paths += [f"market/DSC_{i:04d}.jpg" for i in range(10)]
    paths += [f"market/IMG_{i}_golden_apple.png" for i in range(5)]
    group = np.repeat([0, 1, 2, 3], [20, 20, 10, 5]).astype(np.int32)
    assert clusters.names_of(paths, group) == ["golden apple", "ripe banana", "3", "golden apple 2"]


@pytest.fixture(scope="module")
def tables(reported: orchard.Result) -> Tables:
    return Tables(Output.at(reported.output))


def found_of(tables: Tables) -> findings.Findings:
    return findings.find(tables, runs.last(tables.output), True, lambda _: None)


def test_images_that_tsne_did_not_place_are_on_the_map_as_well(
    reported: orchard.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchard.report.findings.MAX_POINTS", 60)
    output = copy(reported, tmp_path)
    assert build(Tables(output)).n_points == N_IMAGES
    page = bytes(output.get("report/index.html")).decode()
    elements = Elements(page)
    data = script(elements, "data")
    assert data["n"] == 60
    columns = {a["data-name"]: t for a, t in elements.scripts if a.get("class") == "column"}
    assert {name: data["columns"][name][2] for name in columns} == {
        **dict.fromkeys(("xy", "label", "lengths"), N_IMAGES - 60),
        **{f"filter_{name}": N_IMAGES - 60 for name in ("brightness", "size", "modified")},
        "paths": pytest.approx(700, abs=700),
    }
    assert f"The other {N_IMAGES - 60} images stand where their {placing.K} nearest" in shown_text(
        page, "en"
    )
    assert 'data-point=""' not in page, "every picture of the page leads to the map"


def test_images_without_labels_are_in_clusters_and_the_page_says_what_they_are(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Images.read

    def without_labels(tables: Tables) -> Images:
        images = read(tables)
        return replace(images, labels=("",), codes=np.zeros(len(images), np.int32))

    monkeypatch.setattr(findings.Images, "read", without_labels)
    found = found_of(tables)
    named = {name for name in found.images.labels if name}
    assert {"apple red", "lemon", "plum"} & {name.removesuffix(" 2") for name in named}
    page = render(found).decode()
    assert script(Elements(page), "data")["areClusters"] is True
    words = shown_text(page, "en")
    assert (
        "The images carry no labels that tell them apart, so clusters stand in their place" in words
    )
    assert "carry its label" not in words
