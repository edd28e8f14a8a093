"""The same images in two folders are said once, with the way out."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from rich.console import Console

from orchard.cli import main
from orchard.cli.tables import tables_of
from orchard.pipeline.doubles import Doubles, find
from orchard.result import Result

Run = Callable[..., Result]


def said(result: Result) -> str:
    text = io.StringIO()
    Console(file=text, width=1000).print(*tables_of(result))
    return text.getvalue()


def found(*images: tuple[str, str], current: str = "/") -> list[Doubles]:
    rows = sorted(images)
    table = pa.table({"path": [path for path, _ in rows], "sha256": [hash_ for _, hash_ in rows]})
    return find(table, lambda path: path.startswith(current))


def tree(root: str, *folders: str, n: int = 3) -> list[tuple[str, str]]:
    return [(f"{root}/{f}/{i}.png", f"{f}{i}") for f in folders for i in range(n)]


@pytest.mark.parametrize(
    ("images", "current", "expected"),
    [
        # A source that was renamed: the old one is no more of the present sources.
        ([*tree("/old", "a", "b"), *tree("/new", "a", "b")], "/new",
         [Doubles(("/new", "/old"), 6, "/old")]),
        ([*tree("/a/old", "a", "b"), *tree("/b/new", "a", "b")], "/b/new",
         [Doubles(("/a/old", "/b/new"), 6, "/a/old")]),
        # Both present: one of them.
        ([*tree("/x", "a", "b"), *tree("/y", "a", "b")], "/", [Doubles(("/x", "/y"), 6, "/y")]),
        # Not all the way up: /home/me may hold more than these.
        ([*tree("/home/me/photos", "a"), *tree("/home/me", "z"), *tree("/data/photos", "a")], "/",
         [Doubles(("/data/photos/a", "/home/me/photos/a"), 3, "/home/me/photos/a")]),
        # A copy within.
        ([*tree("/x", "a", "b"), *tree("/x/copy", "a", "b")], "/",
         [Doubles(("/x", "/x/copy"), 6, "/x/copy")]),
        # Neither can be spared whole.
        ([*tree("/x", "a"), ("/x/a/more", "1"), *tree("/y", "a"), ("/y/a/other", "2")], "/",
         [Doubles(("/x/a", "/y/a"), 3, None)]),
        # Other names in the other folder.
        ([("/x/a", "1"), ("/x/b", "2"), ("/y/c", "1"), ("/y/d", "2")], "/",
         [Doubles(("/x", "/y"), 2, "/y")]),
        # A bucket.
        ([*tree("s3://b/old", "a", "b"), *tree("s3://b/new", "a", "b")], "s3://b/new",
         [Doubles(("s3://b/new", "s3://b/old"), 6, "s3://b/old")]),
        # Three times.
        ([*tree("/x", "a"), *tree("/y", "a"), *tree("/z", "a")], "/",
         [Doubles(("/x/a", "/y/a"), 3, "/y/a"), Doubles(("/x/a", "/z/a"), 3, "/z/a")]),
    ],
)  # fmt: skip
def test_folders_that_hold_the_same_are_found(
    images: list[tuple[str, str]], current: str, expected: list[Doubles]
) -> None:
    assert found(*images, current=current) == expected


@pytest.mark.parametrize(
    "images",
    [
        tree("/x", "a", "b"),
        [("/x/a/1.png", "1"), ("/x/a/2.png", "1"), ("/x/a/3.png", "1"), ("/x/a/4.png", "1")],
        [*tree("/x", "a", "b", n=9), ("/x/a/same.png", "1"), ("/x/b/same.png", "1")],
        [(f"/x/{i}/blank.png", "1") for i in range(99)],
        [*tree("/x", "a", n=9), *tree("/y", "b", n=9), ("/x/a/z", "1"), ("/y/b/z", "1")],
        [],
    ],
)
def test_true_duplicates_are_no_doubles(images: list[tuple[str, str]]) -> None:
    assert found(*images) == []


def test_doubles_within_the_doubled_do_not_hide_them() -> None:
    twice = [*tree("/x", "a", "b"), ("/x/a/again", "a0"), ("/x/b/0 too", "a0")]
    copied = [(path.replace("/x", "/y"), hash_) for path, hash_ in twice]
    assert Doubles(("/x", "/y"), 8, "/y") in found(*twice, *copied)


def test_a_renamed_source_is_said_with_the_command_that_keeps_one(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(photos, tmp_path / "old photos")
    assert "Found twice" not in said(run(source, tmp_path / "out"))
    renamed = source.rename(tmp_path / "new")
    after = run(renamed, tmp_path / "out")
    text = said(after)
    assert text.count("Found twice") == 1
    assert f"Found twice: 40 images, below {renamed} and below {source}." in text
    assert f"orchard erase {after.output} --prefix '{source}/'" in text
    assert "Found twice" not in said(run(renamed, tmp_path / "out")), "once"
    erased = CliRunner().invoke(main, ["erase", after.output, "--prefix", f"{source}/"])
    assert erased.exit_code == 0, erased.output
    assert {p.rsplit("/", 2)[0] for p in after.features()["path"].to_pylist()} == {str(renamed)}


def test_a_link_and_its_target_are_said(run: Run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(photos)
    run(tmp_path / "link", tmp_path / "out")
    text = said(run(photos, tmp_path / "out"))
    assert "Found twice: 40 images" in text
    assert f"--prefix {tmp_path / 'link'}/" in text
