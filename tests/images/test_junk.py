"""What systems leave in folders is passed over and counted; labels that look alike are told."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchard.errors import SourceError
from orchard.images import junk, listing_checks
from orchard.images.source import Selection, list_images

JUNK = (
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
    "b/@eaDir/c.jpg",
    "__MACOSX/b/._a.jpg",
    "b/._a.jpg",
    ".ipynb_checkpoints/a-checkpoint.jpg",
    "b/Thumbs.db",
    "b/THUMBS.DB",
    "desktop.ini",
    "b/.DS_Store",
)


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"picture")


def test_junk_is_passed_over_at_any_depth_and_counted(tmp_path: Path) -> None:
    for name in ("a.jpg", "b/a.jpg", "b/thumbs.jpg", *JUNK):
        write(tmp_path / name)
    listing = list_images((str(tmp_path),))
    names = [str(Path(path).relative_to(tmp_path)) for path in listing.images["path"].to_pylist()]
    assert names == ["a.jpg", "b/a.jpg", "b/thumbs.jpg"]
    assert listing.failures == ()
    expected = {"@eaDir": 2, "__MACOSX": 1, "._*": 1, ".ipynb_checkpoints": 1, "Thumbs.db": 2}
    assert listing.passed_over == expected | {"desktop.ini": 1, ".DS_Store": 1}
    assert "2 Thumbs.db" in (junk.sentence(listing.passed_over) or "")
    assert junk.sentence({}) is None


def test_junk_among_objects_is_passed_over_by_any_part_of_its_key() -> None:
    passed_over = junk.PassedOver()
    assert not passed_over.takes_key("b/a.jpg")
    assert all(passed_over.takes_key(key) for key in (*JUNK, "b/.hidden/a.jpg"))
    assert sum(passed_over.counts.values()) == len(JUNK)


@pytest.mark.parametrize(
    ("glob", "left"),
    [
        ("raw/*", ["a.jpg", "rawer/1.jpg"]),
        ("raw/", ["a.jpg", "rawer/1.jpg"]),
        ("**/raw/*", ["a.jpg", "rawer/1.jpg"]),
        ("/raw/*", ["a.jpg", "b/raw/1.jpg", "b/raw/c/2.jpg", "rawer/1.jpg"]),
        ("b/raw/", ["a.jpg", "raw/1.jpg", "rawer/1.jpg"]),
        ("/a.jpg", ["b/raw/1.jpg", "b/raw/c/2.jpg", "raw/1.jpg", "rawer/1.jpg"]),
    ],
)
def test_globs_on_folders_work_at_any_depth(tmp_path: Path, glob: str, left: list[str]) -> None:
    for name in ("a.jpg", "raw/1.jpg", "b/raw/1.jpg", "b/raw/c/2.jpg", "rawer/1.jpg"):
        write(tmp_path / name)
    listing = list_images((str(tmp_path),), Selection(exclude=(glob,)))
    names = [str(Path(path).relative_to(tmp_path)) for path in listing.images["path"].to_pylist()]
    assert names == left


@pytest.mark.parametrize("name", ["list.csv", "LIST.TSV"])
def test_a_table_as_source_names_the_option_that_reads_it(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    for source in (str(tmp_path / name), f"file://{tmp_path / name}"):
        with pytest.raises(SourceError, match=f"--manifest {source}$"):
            list_images((source,))


def test_a_table_without_images_as_source_names_the_option_that_reads_it(tmp_path: Path) -> None:
    source = tmp_path / "list.parquet"
    pq.write_table(pa.table({"path": ["a.jpg"], "label": ["apple"]}), source)
    with pytest.raises(SourceError, match=r"its columns: path, label; .* give it as --manifest$"):
        list_images((str(source),))


def test_a_file_url_is_a_local_path(tmp_path: Path) -> None:
    write(tmp_path / "my photos/a.jpg")
    listing = list_images((f"file://{tmp_path}/my%20photos",))
    assert listing.images["path"].to_pylist() == [f"{tmp_path}/my photos/a.jpg"]


def test_labels_that_differ_only_in_writing_are_told_with_each_spelling() -> None:
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    labels = [composed, apart, "apple", " apple", "Apple", "plum", None, "sweet  pepper"]
    assert listing_checks.alike(labels) == [(" apple", "Apple", "apple"), (apart, composed)]
    warning = listing_checks.warning_of(listing_checks.alike(labels))
    assert warning is not None
    assert r"'cafe\u0301' and 'caf\xe9'" in warning
    assert "' apple' and 'Apple' and 'apple'" in warning
    assert listing_checks.warning_of(listing_checks.alike(["a", "b", None])) is None
