"""A result in Python: found again, read as Arrow, pandas and Polars, searched and drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import polars
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb

import orchard
from orchard.errors import ConfigError, SourceError, TableError
from orchard.records import vectors_of
from orchard.reduction import Moments, fit
from orchard.report.colours import palette
from orchard.result.map import Points, plot_map
from orchard.result.plots import plot_variance

mpl.use("agg")


@pytest.fixture(scope="module")
def result(spark: Any, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> orchard.Result:
    output = tmp_path_factory.mktemp("api") / "result <1>"
    config = orchard.RunConfig(
        sources=(str(photos),),
        output=str(output),
        weights="fruit",
        size=32,
        components=0.9,
        report=False,
    )
    return orchard.run(config)


@pytest.fixture(autouse=True)
def _figures_closed() -> Iterator[None]:
    yield
    pyplot.close("all")


def test_a_result_is_found_again_with_its_record(result: orchard.Result) -> None:
    assert orchard.open(result.output) == result
    assert orchard.open(Path(result.output)).record["counts"]["embedded"] == 40


def test_a_folder_without_a_result_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        TableError, match=r"nothing is not a result of Orchard; expected the OUTPUT"
    ):
        orchard.open(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_the_tables_are_one_call_from_pandas_and_polars(result: orchard.Result) -> None:
    frame = result.components().to_pandas()
    assert np.stack(frame["components"]).shape == (40, result.record["pca"]["n_components"])
    assert polars.from_arrow(result.features())["features"].list.len().to_list() == [1280] * 40
    assert result.errors().num_rows == 0


def test_the_nearest_are_those_of_scikit_learn(result: orchard.Result) -> None:
    from sklearn.neighbors import NearestNeighbors

    table = result.components()
    vectors = vectors_of(table["components"])
    theirs = NearestNeighbors(metric="cosine").fit(vectors)
    distances, rows = theirs.kneighbors(vectors[[7]], 6)
    found = result.nearest(table["path"][7].as_py(), 5)
    assert found.column_names == ["path", "label", "similarity"]
    assert found["path"].to_pylist() == [table["path"][int(row)].as_py() for row in rows[0, 1:]]
    np.testing.assert_allclose(found["similarity"], 1 - distances[0, 1:], atol=1e-6)


def test_a_file_and_its_bytes_find_themselves(
    result: orchard.Result, photos: Path, tmp_path: Path
) -> None:
    inside = photos / "plum" / "3.png"
    copy = tmp_path / "copy.png"
    copy.write_bytes(inside.read_bytes())
    for image in (copy, str(copy), inside.read_bytes()):
        first = result.nearest(image, 1).to_pylist()[0]
        assert (first["path"], first["label"]) == (str(inside), "plum")
        assert first["similarity"] == pytest.approx(1, abs=1e-6)


def test_an_image_is_not_its_own_neighbour_by_whatever_name(
    result: orchard.Result, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    for image in (str(photos / "plum" / "3.png"), "plum/3.png"):
        found = result.nearest(image, 100)
        assert found.num_rows == 39
        assert str(photos / "plum" / "3.png") not in found["path"].to_pylist()


def test_an_image_that_cannot_be_searched_for_is_told(result: orchard.Result) -> None:
    with pytest.raises(SourceError, match=r"^none\.jpg: vanished: No such file"):
        result.nearest("none.jpg")
    with pytest.raises(SourceError, match=r"^the bytes given: not_an_image: begins with"):
        result.nearest(b"none")
    with pytest.raises(ConfigError, match=r"^k=0: expected"):
        result.nearest(b"none", 0)


def test_an_image_is_seen_as_the_runs_own_were(
    run: Callable[..., orchard.Result], photos: Path, tmp_path: Path
) -> None:
    result = run(photos, tmp_path / "out", view=("plain", "zoom"), decode="scaled")
    inside = photos / "plum" / "3.png"
    (first,) = result.nearest(inside.read_bytes(), 1).to_pylist()
    assert first["path"] == str(inside)
    assert first["similarity"] == pytest.approx(1, abs=1e-6)


def test_another_network_is_refused(result: orchard.Result, photos: Path) -> None:
    stored = dict(result.record, config=dict(result.record["config"], weights="imagenet.h5"))
    other = orchard.Result(result.output, stored)
    with pytest.raises(orchard.OrchardError, match=r"--weights imagenet\.h5"):
        other.nearest((photos / "plum" / "3.png").read_bytes())


def test_the_variance_is_drawn_with_the_k_kept(result: orchard.Result) -> None:
    ax = result.plot_variance()
    k = result.record["pca"]["n_components"]
    _, labels = ax.get_legend_handles_labels()
    assert f"k = {k} kept" in labels
    heights = [bar.get_height() for bar in ax.patches]
    assert sum(heights[:k]) == pytest.approx(result.record["pca"]["variance_kept"])
    assert {text.get_text() for text in ax.texts} >= {f"90%: k = {k}"}


def test_a_k_far_along_the_spectrum_is_drawn_too() -> None:
    scale = 0.7 ** np.arange(30)
    features = np.random.default_rng(0).normal(size=(200, 30)) * scale
    ax = plot_variance(fit(Moments.of(features), 25, standardize=False))
    assert ax.get_xlim()[1] > 25


def test_the_map_has_a_point_an_image_and_a_colour_and_a_name_a_label(
    result: orchard.Result,
) -> None:
    ax = result.map()
    dots = ax.collections[0]
    assert len(dots.get_offsets()) == 40
    names = ["apple", "lemon", "plum", "sweet pepper"]
    shades = [to_rgb(on_light) for on_light, _ in palette(tuple(names), frozenset())]
    wanted = [shades[names.index(label)] for label in result.components()["label"].to_pylist()]
    np.testing.assert_allclose(dots.get_facecolor()[:, :3], wanted)
    assert ax.get_legend_handles_labels()[1] == names
    assert {text.get_text() for text in ax.texts} <= set(names)
    assert ax.texts


def test_no_name_on_the_map_covers_another() -> None:
    rng = np.random.default_rng(0)
    labels = tuple(f"a name of some length {n}" for n in range(40))
    codes = np.repeat(np.arange(40), 5).astype(np.int32)
    ax = plot_map(Points(rng.normal(size=(200, 2)), codes, labels), None)
    boxes = [text.get_window_extent() for text in ax.texts]
    assert 1 < len(boxes) < 40
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert ax.get_legend() is None  # of forty


def test_the_map_takes_other_coordinates_and_axes(result: orchard.Result) -> None:
    _, ax = pyplot.subplots()
    points = np.arange(80.0).reshape(40, 2)
    assert result.map(points, ax) is ax
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), points)
    with pytest.raises(ConfigError, match=r"shape \(3, 2\): expected \(40, 2\)"):
        result.map(points[:3])


def test_a_notebook_shows_what_a_result_holds(result: orchard.Result) -> None:
    html = result._repr_html_()
    assert "result &lt;1&gt;" in html
    assert "<td>40</td>" in html
    assert len(repr(result)) < 200
