"""The file of decisions: path,decision,label."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from orchard.errors import ConfigError
from orchard.images.decisions import Decisions, NamedPaths, paths_to_drop, read_paths_to_drop
from orchard.images.table_file import table_of
from orchard.storage import DEFAULT

HEADER = "path,decision,label\n"


def decisions(text: str) -> Decisions:
    return Decisions.of(table_of((HEADER + text).encode(), "d.csv", "--decisions"))


def test_each_decision_is_taken_for_what_it_is() -> None:
    found = decisions('/a,keep,\n/b,drop,\n"/c, d",relabel,"sweet, red"\n/b,drop,\n')
    assert found == Decisions(("/a",), ("/b",), {"/c, d": "sweet, red"})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("/a,remove,\n", "line 2 decides remove; expected keep, drop or relabel"),
        ("/a,,\n", "line 2 decides nothing; expected keep, drop or relabel"),
        (",drop,\n", "line 2 has no path; expected the path of an image"),
        ("/a,relabel,\n", "line 2 relabels /a and gives no label; expected one"),
        ("/a,drop,\n/a,keep,\n", "line 2 and line 3 decide about /a in two ways"),
        ("/a,relabel,x\n/a,relabel,y\n", "line 2 and line 3 decide about /a in two ways"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        decisions(text)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("/a\n/b c\r\n\n", ["/a", "/b c"]),
        (f"{HEADER}/a,keep,\n/b,drop,\n/c,relabel,x\n", ["/b"]),
        ('"path";"decision"\n/b;drop\n', ["/b"]),
        ("", []),
    ],
)
def test_a_list_is_of_paths_or_of_what_a_file_of_decisions_drops(
    text: str, paths: list[str]
) -> None:
    assert paths_to_drop(text, "list", "--from-file") == paths


def test_another_table_is_no_list_of_paths() -> None:
    with pytest.raises(ConfigError, match="it has the columns path, kind; expected one path per"):
        paths_to_drop("path,kind\n/a,blurred\n", "f.csv", "--exclude-from")


def test_a_list_with_a_byte_order_mark_is_read_and_another_encoding_named(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("\ufeff/ä\n".encode("utf-16-le"))
    assert read_paths_to_drop(str(tmp_path / "list.txt"), "--exclude-from", DEFAULT) == ["/ä"]
    (tmp_path / "list.txt").write_bytes("/ä\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"--exclude-from .*line 1 is not UTF-8"):
        read_paths_to_drop(str(tmp_path / "list.txt"), "--exclude-from", DEFAULT)
    with pytest.raises(ConfigError, match=r"--exclude-from .*no.txt: cannot be read: No such file"):
        read_paths_to_drop(str(tmp_path / "no.txt"), "--exclude-from", DEFAULT)


def test_a_path_is_named_whole_or_below_a_source_in_any_unicode_form() -> None:
    decomposed = unicodedata.normalize("NFD", "/photos/pêche/1.jpg")
    named = NamedPaths.of([decomposed, "kiwi/2.jpg", "s3://b/c.jpg", "/gone.jpg"], ["/photos"])
    assert named.name_of("/photos/pêche/1.jpg")
    assert named.name_of("/photos/kiwi/2.jpg") == "kiwi/2.jpg"
    assert named.name_of("s3://b/c.jpg")
    assert named.name_of("/photos/1.jpg") is None
    assert named.name_of("/other/kiwi/2.jpg") is None
    assert named.unused() == ["/gone.jpg"]
