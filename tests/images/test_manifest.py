"""Tables beside images: which they name, which labels they give, and what is wrong with them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchard.errors import ConfigError
from orchard.images import kept_columns, manifest
from orchard.images.labels_file import LabelsFile
from orchard.images.table_file import TableFile, read_table
from orchard.records import Failure, Found, Reason
from orchard.storage import DEFAULT


def csv(folder: Path, text: str, name: str = "list.csv", encoding: str = "utf-8") -> TableFile:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(text.encode(encoding))
    return read_table(str(folder / name), "--manifest", DEFAULT)


def paths(found: manifest.Manifest) -> list[str]:
    return [entry.path for entry in found.entries]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\r\na.jpg,007\r\n",
        "﻿path,label\na.jpg,007",
        "path;label\na.jpg;007\n",
        "path\tlabel\na.jpg\t007\n",
        '"path","label"\n"a.jpg","007"\n',
    ],
)
def test_a_csv_is_text_however_it_is_separated(tmp_path: Path, text: str) -> None:
    assert csv(tmp_path, text).rows.to_pylist() == [{"path": "a.jpg", "label": "007"}]


def test_a_parquet_file_becomes_text_too(tmp_path: Path) -> None:
    rows = {"path": ["a.jpg", ""], "price": [1.5, None], "sold": [True, False], "px": [b"1", b"2"]}
    pq.write_table(pa.table(rows | {"deep": [[1], []]}), tmp_path / "a.parquet")
    read = read_table(str(tmp_path / "a.parquet"), "--manifest", DEFAULT)
    assert read.rows.to_pylist() == [
        {"path": "a.jpg", "price": "1.5", "sold": "true"},
        {"path": None, "price": None, "sold": "false"},
    ]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", b"", "expected the columns' names in its first line"),
        ("a.csv", "path,label\na,caf\xe9".encode("latin-1"), "line 2 is not UTF-8"),
        ("a.csv", b"path,a,a\n1,2,3", "two columns are named 'a'"),
        ("a.csv", b"path,label\n1,2,3", "cannot be read"),
        ("a.parquet", b"PAR1", "cannot be read"),
        ("a.xlsx", b"PK", "expected a file named .csv, .tsv or .parquet"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path, name, data, words) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=words) as error:
        read_table(str(tmp_path / name), "--labels", DEFAULT)
    assert f"--labels {tmp_path / name}" in str(error.value)
    with pytest.raises(ConfigError, match="No such file"):
        read_table(str(tmp_path / "none.csv"), "--labels", DEFAULT)


def test_paths_are_relative_to_source_or_else_to_the_manifests_folder(tmp_path: Path) -> None:
    text = "path\na.jpg\n./b/../c.jpg\n/abs.jpg\nfile:///d%20e.jpg\ns3://x/y.jpg\nhttps://h/z.jpg\n"
    file = csv(tmp_path / "lists", text)
    elsewhere = ["/abs.jpg", "/d e.jpg", "https://h/z.jpg", "s3://x/y.jpg"]
    here = [f"{tmp_path}/lists/{name}" for name in ("a.jpg", "c.jpg")]
    assert paths(manifest.read_manifest(file, None)) == sorted([*here, *elsewhere])
    below = [f"{tmp_path}/{name}" for name in ("a.jpg", "c.jpg")]
    assert paths(manifest.read_manifest(file, str(tmp_path))) == sorted([*below, *elsewhere])
    bucket = paths(manifest.read_manifest(file, "s3://fruits/photos/"))
    assert "s3://fruits/photos/a.jpg" in bucket
    with pytest.raises(ConfigError, match="expected the one folder or URL"):
        manifest.read_manifest(file, str(tmp_path / "none"))


def test_an_image_named_again_counts_once_and_is_told_with_its_lines(tmp_path: Path) -> None:
    found = manifest.read_manifest(csv(tmp_path, "url\na.jpg\nb.jpg\n./a.jpg\na.jpg\n"), None)
    assert [entry.row for entry in found.entries] == [0, 1]
    assert found.doubled is not None
    assert "2 rows" in found.doubled
    assert f"{tmp_path}/a.jpg in line 2 and line 4" in found.doubled


def test_an_empty_path_is_a_failure_that_names_its_line(tmp_path: Path) -> None:
    found = manifest.read_manifest(csv(tmp_path, "path,label\na.jpg,x\n,y\n"), None)
    assert found.failures == (
        (f"{tmp_path}/list.csv#line 3", Failure(Reason.BAD_NAME, "its path is empty")),
    )


def test_a_manifest_without_a_column_of_paths_says_which_it_has(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it has picture, price"):
        manifest.read_manifest(csv(tmp_path, "picture,price\na,1\n"), None)


def test_what_is_named_and_not_there_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"12345")
    (tmp_path / "folder.jpg").mkdir()
    names = [str(tmp_path / name) for name in ("a.jpg", "folder.jpg", "none.jpg")]
    there, folder, none = manifest.find(names, DEFAULT, lambda urls: [])
    assert isinstance(there, Found)
    assert there.size == 5
    assert isinstance(folder, Failure)
    assert isinstance(none, Failure)
    assert folder.reason is none.reason is Reason.VANISHED


def test_labels_are_the_manifests_own_unless_told_otherwise(tmp_path: Path) -> None:
    text = "path,label,kind\nplum/a.jpg,one,two\n"
    found = manifest.read_manifest(csv(tmp_path, text), None)

    def label(setting: str) -> str | None:
        return manifest.labels_of(found, setting, lambda path: path[-5])(found.entries[0])

    assert label("parent") == "one"
    assert label("column:kind") == "two"
    assert label("(a)") == label("none") == "a", "the rule's"
    with pytest.raises(ConfigError, match="has no column colour; it has path, label, kind"):
        label("column:colour")
    bare = manifest.read_manifest(csv(tmp_path, "path\nplum/a.jpg\n"), None)
    assert manifest.labels_of(bare, "parent", lambda path: "rule")(bare.entries[0]) == "rule"


def test_roots_are_one_for_each_bucket_server_and_top_folder() -> None:
    urls = ["s3://b/x/y/1.jpg", "s3://b/x/z/2.jpg", "https://h/1.jpg", "/data/a/b/1", "/data/a/2"]
    assert manifest.roots([*urls, "/home/me/3"]) == ["/data/a", "/home/me", "https://h", "s3://b/x"]


def test_kept_columns_stand_beside_orchards_own(tmp_path: Path) -> None:
    file = csv(tmp_path, "path,sku\na,1\n")
    assert kept_columns.among(("sku",), [file]) == {"sku": file}
    for names, words in (
        (("sku", "SKU"), "expected each column once"),
        (("Features",), "the tables have a column of that name"),
        (("a b",), "no space"),
    ):
        with pytest.raises(ConfigError, match=words):
            kept_columns.check_names(names)
    with pytest.raises(ConfigError, match="no such column; there are path, sku"):
        kept_columns.among(("price",), [file])


def labels_of(folder: Path, text: str, sources: tuple[str, ...] = ("/in",)) -> LabelsFile:
    return LabelsFile.of(csv(folder, text, "labels.csv"), sources)


@pytest.mark.parametrize("key", ["/in/a/1.jpg", "a/1.jpg", "./a/1.jpg", "1.jpg", "1"])
def test_a_label_is_given_by_path_name_or_stem(tmp_path: Path, key: str) -> None:
    labels = labels_of(tmp_path, f"path,label\n{key},plum\n")
    assert labels.label_of("/in/a/1.jpg") == "plum"
    assert labels.label_of("/in/a/2.jpg") is None
    assert labels.check(["/in/a/1.jpg"]) is None


def test_a_path_goes_before_a_name_and_a_name_before_a_stem(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, "name,label\n1,stem\n1.jpg,name\na/1.jpg,path\n")
    found = [labels.label_of(path) for path in ("/in/a/1.jpg", "/in/b/1.jpg", "/in/b/1.png")]
    assert found == ["path", "name", "stem"]


def test_a_name_that_two_images_have_is_an_error_that_names_them(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, "name,label\n2,x\n1.jpg,plum\n")
    with pytest.raises(ConfigError, match=r"1\.jpg in line 3 is the name of /in/a/1\.jpg and of "):
        labels.check(["/in/a/1.jpg", "/in/b/1.jpg", "/in/2.jpg"])


def test_a_key_with_two_labels_is_an_error_that_names_both(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"line 2 and line 3 give 1\.jpg two labels, a and b"):
        labels_of(tmp_path, "name,label\n1.jpg,a\n1.jpg,b\n")
    assert labels_of(tmp_path, "name,label\n1.jpg,a\n1.jpg,a\n").label_of("/1.jpg") == "a"


def test_what_the_labels_leave_out_and_name_in_vain_is_counted(tmp_path: Path) -> None:
    told = labels_of(tmp_path, "name,label\n1.jpg,a\n8.jpg,a\n9.jpg,a\n").check(["/in/1.jpg", "/x"])
    assert told is not None
    assert "1 images have no label in it; 2 of its keys name no listed image: 8.jpg, 9.jpg" in told


def test_accents_are_the_same_however_a_system_writes_them(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "café.jpg") for form in ("NFC", "NFD"))
    assert composed != apart
    for one, other in ((composed, apart), (apart, composed)):
        assert labels_of(tmp_path, f"name,label\n{one},x\n").label_of(f"/in/{other}") == "x"


def test_a_path_is_found_as_windows_and_other_systems_write_it(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    for name in (composed, "x"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(b"picture")
    file = csv(tmp_path, f"path\n{apart}/1.jpg\nx\\1.jpg\n{apart}\\1.jpg\nx\\none.jpg\n")
    there = [f"{tmp_path}/{composed}/1.jpg", f"{tmp_path}/x/1.jpg", f"{tmp_path}/x\\none.jpg"]
    assert paths(manifest.read_manifest(file, None)) == sorted(there)
