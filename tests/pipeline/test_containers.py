"""Archives and tables as sources of whole runs: the same numbers as files, counts that close."""

from __future__ import annotations

import os

import numpy as np
import pytest
from click.testing import CliRunner
from images import packed

from orchard.cli import main
from orchard.errors import PathsUnknown
from orchard.images.containers import listing as inside
from orchard.images.containers import remembered
from orchard.pipeline import same_bytes
from orchard.records import vectors_of
from orchard.result import open as open_result
from orchard.store.erase import erase, readmit
from orchard.store.output import Output
from orchard.store.tables import Tables


def rows(result, table="features"):
    return {row["path"]: row for row in Tables(place(result)).read(table).to_pylist()}


def place(result):
    return Output.at(result.output)


@pytest.fixture
def files():
    return packed.pictures(5)


@pytest.fixture
def folder(tmp_path, files):
    root = tmp_path / "in"
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_members_have_the_features_of_files(run, folder, tmp_path, files):
    plain = rows(run(folder, tmp_path / "plain"))
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    for name in packed.EVERY_KIND:
        packed.write(boxes / name, files)
    packed.tar(boxes / "bad.tar", [("../x.jpg", b"x"), ("not.jpg", b"not an image")])
    (boxes / "broken.zip").write_bytes(b"hello")
    result = run(boxes, tmp_path / "out")
    n = len(packed.EVERY_KIND) * len(files)
    assert result.record["counts"]["listed"] == n + 3
    assert result.record["counts"]["embedded"] == n
    assert result.record["counts"]["errors"] == 3
    for path, row in rows(result).items():
        name = path.split("!/")[1]
        same = plain[f"{folder}/{name}"]
        assert (row["label"], row["sha256"]) == (same["label"], same["sha256"])
        assert row["size"] == len(files[name]), "of a table too, whose listing can only guess"
        assert row["features"] == same["features"]
    errors = {
        path.rpartition("/boxes/")[2]: row["reason"] for path, row in rows(result, "errors").items()
    }
    assert errors == {
        "bad.tar!/../x.jpg": "bad_name",
        "bad.tar!/not.jpg": "not_an_image",
        "broken.zip": "not_an_image",
    }
    again = run(boxes, tmp_path / "out")
    assert again.record["counts"]["already_there"] == n
    assert again.record["counts"]["known_errors"] == 3


@pytest.mark.parametrize("name", ["a.tar", "a.zip", "a.tar.gz"])
def test_of_a_changed_shard_only_what_changed_is_embedded(run, tmp_path, files, name):
    path = packed.write(tmp_path / name, files)
    run(path, tmp_path / "out")
    changed = files | {"apple/01.jpg": packed.jpeg(77), "plum/new.jpg": packed.jpeg(78)}
    del changed["plum/04.jpg"]
    packed.write(path, changed)
    counts = run(path, tmp_path / "out").record["counts"]
    # A tar's members keep their keys by time, which those behind the one that went lost.
    assert counts["changed"] in (1, 2)
    assert (counts["new"], counts["went"]) == (1, 1)
    assert counts["already_there"] >= 7


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "equal.tar"])
def test_of_a_table_written_anew_only_changed_rows_are_embedded(
    run, tmp_path, files, name, monkeypatch
):
    path = tmp_path / name

    def write(content):
        packed.write(path, content)
        if name == "equal.tar":  # whose times tell nothing
            packed.tar(path, content, step=0)

    write(files)
    before = rows(run(path, tmp_path / "out"))
    changed = {"apple/new.jpg": packed.jpeg(78)} | files | {"apple/01.jpg": packed.jpeg(77)}
    write(changed)
    result = run(path, tmp_path / "out")
    counts = result.record["counts"]
    assert (counts["changed"], counts["new"], counts["went"]) == (1, 1, 0)
    assert counts["already_there"] == len(files) - 1
    after = rows(result)
    assert len(after) == len(files) + 1
    changed_rows = {key.rpartition("!/")[2] for key in before if after[key] != before[key]}
    assert changed_rows == {"apple/01.jpg"}

    read = []
    monkeypatch.setattr(same_bytes, "fetch", lambda *given: read.append(given) or [])
    assert run(path, tmp_path / "out").record["counts"]["already_there"] == len(files) + 1
    assert not read, "what was recognised is remembered"


def test_a_table_that_is_written_again_as_it_was_takes_no_spark(run, tmp_path, files):
    path = packed.write(tmp_path / "a.parquet", files)
    run(path, tmp_path / "out")
    packed.write(path, files)
    os.utime(path, (1, 1))
    done = run(path, tmp_path / "out")
    assert done.record["counts"]["already_there"] == len(files)
    assert "start Spark" not in done.record["seconds"]


def test_a_shard_that_cannot_be_read_takes_no_features_away(run, tmp_path, files):
    path = packed.write(tmp_path / "in.zip", files)
    result = run(path, tmp_path / "out")
    whole = path.read_bytes()
    path.write_bytes(whole[:2000])
    counts = run(path, tmp_path / "out").record["counts"]
    assert (counts["went"], counts["errors"]) == (0, 1)
    assert len(rows(result)) == len(files)
    path.write_bytes(whole)
    counts = run(path, tmp_path / "out").record["counts"]
    assert counts["already_there"] == len(files)
    assert not rows(result, "errors"), "what was wrong with the archive is over"


def test_a_packed_folder_gives_the_result_of_the_folder(run, folder, tmp_path):
    ran = CliRunner().invoke(main, ["pack", str(folder), str(tmp_path / "shards")])
    assert ran.exit_code == 0, ran.output
    assert "10 images in 1 shard in" in ran.output
    one = rows(run(folder, tmp_path / "one"))
    two = rows(run(tmp_path / "shards", tmp_path / "two"))
    assert {row["sha256"]: row["features"] for row in one.values()} == {
        row["sha256"]: row["features"] for row in two.values()
    }
    assert sorted(r["label"] for r in one.values()) == sorted(r["label"] for r in two.values())


def test_a_member_and_a_whole_archive_are_erased_for_good(run, tmp_path, files):
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    one, two = packed.write(boxes / "one.tar", files), packed.write(boxes / "two.zip", files)
    result = run(boxes, tmp_path / "out")
    output = place(result)
    member = f"{one}!/apple/00.jpg"
    assert erase(output, [member]).n_images == 1
    assert member not in rows(result)
    done = erase(output, [str(two)])
    assert done.rows["features"] == len(files)
    assert not any(path.startswith(str(two)) for path in rows(result))
    packed.write(two, files | {"apple/later.jpg": packed.jpeg(99)})
    counts = run(boxes, tmp_path / "out").record["counts"]
    assert counts["listed"] == len(files) - 1, "what comes into an erased archive stays out too"
    assert counts["suppressed"] == len(files) + 2
    assert not readmit(output, [str(two)])
    counts = run(boxes, tmp_path / "out").record["counts"]
    assert counts["new"] == len(files) + 1
    assert erase(output, [f"{two}!/none.jpg"]).unknown
    assert PathsUnknown.exit_code == 11


def test_the_report_shows_pictures_of_members(run, tmp_path, files):
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    packed.write(boxes / "one.tar", files)
    packed.write(boxes / "two.parquet", files)
    result = run(boxes, tmp_path / "out", report=True)
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert page.count("data:image/") >= 1
    assert result.record["counts"]["errors"] == 0
    nearest = result.nearest(f"{boxes}/one.tar!/apple/00.jpg", k=1)
    assert nearest["path"].to_pylist() == [f"{boxes}/two.parquet!/apple/00.jpg"]
    assert result.nearest(files["plum/01.jpg"], k=1)["path"][0].as_py().endswith("!/plum/01.jpg")


def test_labels_of_sidecars_change_without_a_pixel(run, tmp_path):
    path = tmp_path / "a.tar"
    images = [(f"{n:03d}.jpg", packed.jpeg(n)) for n in range(8)]
    packed.tar(path, [*images, *((f"{n:03d}.cls", b"fig") for n in range(8))])
    result = run(path, tmp_path / "out")
    assert {row["label"] for row in rows(result).values()} == {"fig"}
    packed.tar(path, [*images, *((f"{n:03d}.cls", b"kiwi") for n in range(8))])
    counts = run(path, tmp_path / "out").record["counts"]
    assert (counts["relabelled"], counts["changed"], counts["new"]) == (8, 0, 0)
    assert {row["label"] for row in rows(result).values()} == {"kiwi"}
    assert vectors_of(open_result(tmp_path / "out").components()["components"]).dtype == np.float32


def test_a_shard_that_is_the_same_is_not_looked_into_again(run, tmp_path, files, monkeypatch):
    """A compressed tar would have to be unpacked, one in a bucket to be fetched."""
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    for name in ("a.tar", "b.tar.gz"):
        packed.write(boxes / name, files)
    result = run(boxes, tmp_path / "out")
    assert len(list((tmp_path / "out" / "listings").iterdir())) == 2
    looked = []
    read = inside._read
    monkeypatch.setattr(inside, "_read", lambda f, c, *a: looked.append(c.path) or read(f, c, *a))
    counts = run(boxes, tmp_path / "out").record["counts"]
    assert (counts["listed"], counts["already_there"], looked) == (20, 20, [])
    packed.write(boxes / "a.tar", files | {"plum/new.jpg": packed.jpeg(91)})
    counts = run(boxes, tmp_path / "out").record["counts"]
    assert (counts["new"], counts["already_there"]) == (1, 20)
    assert looked == [f"{boxes}/a.tar"]
    assert len(list((tmp_path / "out" / "listings").iterdir())) == 2, "the old one is deleted"

    for file in (tmp_path / "out" / "listings").iterdir():
        file.write_bytes(b"damaged")
    assert run(boxes, tmp_path / "out").record["counts"]["already_there"] == 21
    run(boxes, tmp_path / "out", components=4)
    erase(place(result), [f"{boxes}/a.tar!/apple/00.jpg"])
    assert not (tmp_path / "out" / "listings").exists() or not list(
        (tmp_path / "out" / "listings").iterdir()
    )
    run(boxes, tmp_path / "out")
    kept = (tmp_path / "out" / "listings").iterdir()
    known = [name for file in kept for name, _, _ in remembered.unpacked(file.read_bytes()).rows]
    assert known.count("apple/00.jpg") == 1, "of the other archive"
    assert not readmit(place(result), [f"{boxes}/a.tar!/apple/00.jpg"])
    assert run(boxes, tmp_path / "out").record["counts"]["new"] == 1
