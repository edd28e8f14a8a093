"""A result's images as a grid of pictures, and its report in a notebook."""

from __future__ import annotations

import base64
import re
import shutil
from html import unescape
from pathlib import Path

import pandas
import pyarrow.compute as pc
import pytest

import orchard
from orchard.errors import ConfigError, TableError
from orchard.images.thumbnail import opened

LEMONS = ("lemon/0.png", "lemon/1.png")  # which are broken


@pytest.fixture(scope="module")
def found(result: Path) -> orchard.Result:
    return orchard.open(result)


def shown(html: str) -> list[bytes]:
    return [
        base64.b64decode(data) for data in re.findall(r'src="data:image/jpeg;base64,(.*?)"', html)
    ]


def test_the_pictures_are_the_stored_thumbnails(found: orchard.Result) -> None:
    stored = found.thumbnails().to_pylist()
    jpegs = {row["path"]: row["jpeg"] for row in stored}
    paths = found.components()["path"].to_pylist()[:5]
    grid = found.show(paths)
    assert [picture.path for picture in grid] == paths
    assert shown(grid.html()) == [jpegs[path] for path in paths]
    assert grid._repr_html_() == grid.html()


def test_without_paths_they_are_from_all_over_the_result(found: orchard.Result) -> None:
    grid = found.show()
    assert len(grid) == 24
    assert {picture.label for picture in grid} == set(found.features()["label"].to_pylist())


def test_a_table_is_shown_with_its_similarities(found: orchard.Result) -> None:
    nearest = found.nearest(found.components()["path"][0].as_py(), k=3)
    for table in (nearest, nearest.to_pandas()):
        grid = found.show(table)
        assert [picture.path for picture in grid] == nearest["path"].to_pylist()
        assert [p.note for p in grid] == [f"{s:.2f}" for s in nearest["similarity"].to_pylist()]
    with pytest.raises(ConfigError, match="label: expected a column `path`"):
        found.show(nearest.select(["label"]))


def test_without_a_thumbnail_the_image_itself_is_read(
    found: orchard.Result, odd_photos: Path, tmp_path: Path
) -> None:
    bare = shutil.copytree(found.output, tmp_path / "bare")
    shutil.rmtree(bare / "thumbnails")
    inside = odd_photos / "lemon/2.png"
    (picture,) = orchard.open(bare).show(inside)
    assert (picture.path, picture.label) == (str(inside), "lemon")
    assert picture.jpeg
    assert opened(picture.jpeg, 112)
    other = shutil.copy(inside, tmp_path / "other.png")  # which the result does not hold
    (picture,) = found.show([other])
    assert (picture.path, picture.label, picture.ratio) == (str(other), None, 1.0)
    assert picture.jpeg


def test_images_are_shown_before_there_is_a_result(odd_photos: Path) -> None:
    paths = [str(odd_photos / "lemon/2.png"), str(odd_photos / "lemon/0.png")]
    first, empty = orchard.show(pandas.DataFrame({"path": paths, "label": ["lemon", None]}))
    assert first.jpeg
    assert (first.label, first.ratio) == ("lemon", 1.0)
    assert (empty.jpeg, empty.note) == (None, "empty: 0 bytes")


def test_an_image_that_cannot_be_read_shows_the_reason(
    found: orchard.Result, odd_photos: Path
) -> None:
    empty, text = found.show([odd_photos / name for name in LEMONS])
    assert (empty.jpeg, empty.note) == (None, "empty: 0 bytes")
    assert text.note.startswith("not_an_image: ")
    grid = found.show(["no/such <b>.png"])
    assert "vanished" in grid.html()
    assert "<b>.png" not in grid.html()
    assert "vanished" in repr(grid)


def test_so_many_pictures_and_a_word_of_the_others(found: orchard.Result) -> None:
    grid = found.show(found.components()["path"].to_pylist(), n=7)
    assert len(grid) == len(shown(grid.html())) == 7
    assert "31 more" in grid.html()
    with pytest.raises(ConfigError, match="n=0: expected"):
        found.show(n=0)


def test_each_picture_has_a_text_beside_it(found: orchard.Result) -> None:
    html = found.show(n=4).html()
    alts = [unescape(alt) for alt in re.findall(r'alt="(.*?)"', html)]
    assert len(alts) == 4
    assert all(alts)


def test_the_report_is_a_path_that_a_notebook_shows(found: orchard.Result) -> None:
    page = found.report(height=500)
    assert page == str(Path(found.output, "report/index.html"))
    assert Path(page).is_file()
    frame = page._repr_html_()
    (inside,) = re.findall(r'srcdoc="(.*?)"', frame, re.DOTALL)
    there = Path(page).read_text(encoding="utf-8")
    assert unescape(inside).replace('<base href="about:srcdoc">', "") == there
    assert unescape(inside).index("<base") < unescape(inside).index("Content-Security-Policy")
    assert 'height="500"' in frame
    assert "allow-same-origin" not in frame


def test_where_there_is_no_report_the_way_to_one_is_told(photo_result: orchard.Result) -> None:
    with pytest.raises(TableError, match=r"does not exist; `orchard report .*` draws it"):
        photo_result.report()


def test_the_maps_places_are_the_pages(found: orchard.Result) -> None:
    from orchard.report.findings import place
    from orchard.report.points import Images
    from orchard.store.output import Output
    from orchard.store.tables import Tables

    tables = Tables(Output.at(found.output))
    placed = place(tables, Images.read(tables), lambda _: None)
    drawn = found.map().collections[0].get_offsets()
    assert (drawn == placed.embedding.xy).all()
    assert pc.count(found.components()["path"]).as_py() == len(drawn)
