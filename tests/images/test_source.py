"""Listing finds every regular file once, in an order of its own; reading never raises or waits."""

from __future__ import annotations

import os
import random
import re
import socket
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchard.config import RunConfig
from orchard.errors import SourceError
from orchard.images.source import Listing, Selection, list_images, read
from orchard.records import LISTING, Failure, Reason

NOBODY = 65534


def write(path: Path, data: bytes = b"picture") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def paths(listing: Listing) -> list[str]:
    return listing.images["path"].to_pylist()


def names(folder: Path, **selection: Any) -> list[str]:
    """What is listed below a folder, relative to it."""
    listed = paths(list_images((str(folder),), Selection(**selection)))
    return [os.path.relpath(path, folder) for path in listed]


def reasons(listing: Listing) -> dict[str, Reason]:
    return {path: failure.reason for path, failure in listing.failures}


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be nobody for a while where the tests run as root, whom no permission stops."""
    if os.geteuid() != 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


@pytest.fixture
def open_path(tmp_path: Path) -> Iterator[Path]:
    """A folder that any user can reach: pytest keeps its own to their owner."""
    parents = [p for p in tmp_path.parents if p.stat().st_uid == os.geteuid() and p != Path("/")]
    modes = {p: p.stat().st_mode for p in [tmp_path, *parents]}
    for path, mode in modes.items():
        path.chmod(mode | 0o055)
    yield tmp_path
    for path, mode in modes.items():
        path.chmod(mode)


def test_a_folder_is_listed_to_its_depth_with_size_and_time(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", b"123")
    deep = write(tmp_path / "b/c/d.jpg", b"12345")
    os.utime(deep, ns=(0, 1_700_000_000_123_456_789))
    listing = list_images((str(tmp_path),))
    assert listing.images.schema == LISTING
    assert paths(listing) == [str(tmp_path / "a.jpg"), str(deep)]
    row = listing.images.to_pylist()[1]
    assert (row["label"], row["size"], row["etag"]) == ("c", 5, None)
    assert row["modified"].isoformat() == "2023-11-14T22:13:20.123456+00:00"
    assert listing.n_listed == 2


def test_several_sources_are_one_list_and_overlaps_are_listed_once(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one/a.jpg"), write(tmp_path / "two/b.jpg")
    sources = (tmp_path / "two", tmp_path / "one", tmp_path, one, tmp_path / "two/../one")
    assert paths(list_images(tuple(map(str, sources)))) == [str(one), str(two)]


def test_a_source_may_be_a_file_or_a_pattern(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/2.png", "b/3.jpg", "b/c/4.jpg"):
        write(tmp_path / name)
    assert paths(list_images((str(tmp_path / "a/1.jpg"),))) == [str(tmp_path / "a/1.jpg")]
    flat = paths(list_images((str(tmp_path / "*/*.jpg"),)))
    assert flat == [str(tmp_path / "a/1.jpg"), str(tmp_path / "b/3.jpg")]
    deep = paths(list_images((str(tmp_path / "**/*.jpg"),)))
    assert deep == [str(tmp_path / name) for name in ("a/1.jpg", "b/3.jpg", "b/c/4.jpg")]
    folders = paths(list_images((str(tmp_path / "[b]"),)))
    assert folders == [str(tmp_path / "b/3.jpg"), str(tmp_path / "b/c/4.jpg")]


def test_a_name_that_looks_like_a_pattern_is_taken_as_it_is(tmp_path: Path) -> None:
    odd = write(tmp_path / "[ab]*/1.jpg")
    write(tmp_path / "a/2.jpg")
    assert paths(list_images((str(tmp_path / "[ab]*"),))) == [str(odd)]


def test_relative_sources_are_listed_by_their_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "-photos/-1.jpg")
    monkeypatch.chdir(tmp_path)
    assert paths(list_images(("-photos",))) == [str(tmp_path / "-photos/-1.jpg")]


def test_odd_names_are_kept_to_the_letter(tmp_path: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "café.jpg") for form in ("NFC", "NFD"))
    odd = {"two words.jpg", "line\nbreak.jpg", "-dash.jpg", "ünï/çödé.jpg", "100%.jpg", nfc, nfd}
    for name in odd:
        write(tmp_path / name)
    assert set(names(tmp_path)) == odd
    assert len(names(tmp_path)) == len(odd)


def test_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "real/a.jpg", b"1234")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file.jpg").symlink_to(tmp_path / "real/a.jpg")
    (tmp_path / "in/folder").symlink_to(tmp_path / "real")
    listing = list_images((str(tmp_path / "in"),))
    assert [os.path.relpath(p, tmp_path / "in") for p in paths(listing)] == [
        "file.jpg",
        "folder/a.jpg",
    ]
    assert listing.images["size"].to_pylist() == [4, 4]
    assert listing.images["label"].to_pylist() == ["in", "folder"]
    (tmp_path / "source").symlink_to(tmp_path / "real")
    assert names(tmp_path / "source") == ["a.jpg"]


def test_loops_of_links_end(tmp_path: Path) -> None:
    write(tmp_path / "a/1.jpg")
    write(tmp_path / "b/2.jpg")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/same").symlink_to(".")
    (tmp_path / "a/other").symlink_to("../b")
    (tmp_path / "b/other").symlink_to("../a")
    assert names(tmp_path) == ["a/1.jpg", "a/other/2.jpg", "b/2.jpg", "b/other/1.jpg"]


def test_a_broken_link_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "itself.jpg").symlink_to("itself.jpg")
    listing = list_images((str(tmp_path),))
    assert paths(listing) == []
    assert reasons(listing) == {
        str(tmp_path / "gone.jpg"): Reason.VANISHED,
        str(tmp_path / "itself.jpg"): Reason.IO_ERROR,
    }
    assert listing.n_listed == 2


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    for name in (".DS_Store", ".git/a.jpg", "b/.thumbnails/c.jpg", "b/d.jpg"):
        write(tmp_path / name)
    assert names(tmp_path) == ["b/d.jpg"]
    assert names(tmp_path / ".git") == ["a.jpg"], "what is named by the user is not hidden"


def test_names_that_are_not_utf8_are_failures_and_stay_apart(tmp_path: Path) -> None:
    for name in (b"\xff.jpg", b"\xfe.jpg", b"caf\xe9/1.jpg"):
        write(tmp_path / os.fsdecode(name))
    write(tmp_path / "fine.jpg")
    listing = list_images((str(tmp_path),))
    assert paths(listing) == [str(tmp_path / "fine.jpg")]
    assert reasons(listing) == {
        f"{tmp_path}/{name}": Reason.BAD_NAME
        for name in (r"\xff.jpg", r"\xfe.jpg", r"caf\xe9/1.jpg")
    }
    assert listing.n_listed == 4
    detail = dict(listing.failures)[f"{tmp_path}/\\xff.jpg"].detail
    assert re.fullmatch(r"rename the file: b'.*\\xff\.jpg' is not UTF-8", detail)


def test_what_is_no_regular_file_is_not_listed(tmp_path: Path, monkeypatch: Any) -> None:
    write(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    monkeypatch.chdir(tmp_path)  # a socket's path is at most some 100 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.jpg")
        listing = list_images((".",))
    assert paths(listing) == [str(tmp_path / "a.jpg")]
    assert listing.failures == ()


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (("*.jpg",), (), ["a.jpg", "x/b.jpg", "x/y/d.jpg"]),
        (("*.jpg", "*.png"), (), ["a.jpg", "x/b.jpg", "x/c.png", "x/y/d.jpg"]),
        ((), ("*.jpg",), ["x/c.png"]),
        (("x/*",), (), ["x/b.jpg", "x/c.png", "x/y/d.jpg"]),
        ((), ("x/y/*",), ["a.jpg", "x/b.jpg", "x/c.png"]),
        (("*.jpg",), ("x/*",), ["a.jpg"]),
        (("[!a].jpg",), (), ["x/b.jpg", "x/y/d.jpg"]),
        ((), ("*.JPG",), ["a.jpg", "x/b.jpg", "x/c.png", "x/y/d.jpg"]),
        ((), ("x",), ["a.jpg", "x/b.jpg", "x/c.png", "x/y/d.jpg"]),
    ],
)
def test_globs_hold_against_the_name_or_with_a_slash_the_path_below_the_source(
    tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], expected: list[str]
) -> None:
    for name in ("a.jpg", "x/b.jpg", "x/c.png", "x/y/d.jpg"):
        write(tmp_path / name)
    assert names(tmp_path, include=include, exclude=exclude) == expected


def test_labels(tmp_path: Path) -> None:
    write(tmp_path / "apple red/12_apple.jpg")
    write(tmp_path / "plum/other.jpg")

    def labels(label: str) -> list[str | None]:
        config = RunConfig(sources=(str(tmp_path),), output=str(tmp_path / "out"), label=label)
        return list_images(config.sources, Selection.of(config)).images["label"].to_pylist()

    assert labels("parent") == ["apple red", "plum"]
    assert labels("none") == [None, None]
    assert labels(r"/(\d+)_([a-z]+)\.jpg$") == ["12", None]
    assert labels(r"(x)?\.jpg$") == [None, None], "a group that took no part"


def test_limit_takes_the_first_by_path(tmp_path: Path) -> None:
    for name in ("c.jpg", "a.jpg", "b/1.jpg"):
        write(tmp_path / name)
    (tmp_path / "A.jpg").symlink_to("nowhere")
    assert names(tmp_path, limit=2) == ["a.jpg", "b/1.jpg"]
    listing = list_images((str(tmp_path),), Selection(limit=3))
    assert (listing.images.num_rows, listing.failures) == (3, ())
    assert list_images((str(tmp_path),), Selection(limit=9)).n_listed == 4


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_that_of_the_paths_bytes_not_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    odd = ["Z.jpg", "a.jpg", "a/1.jpg", "a-b.jpg", "é.jpg", "\uffee.jpg", "\U0001f34e.jpg"]
    for name in odd:
        write(tmp_path / name)
    for number in range(5):
        (tmp_path / f"gone{number}").symlink_to("nowhere")
    scandir = os.scandir

    class Shuffled:
        def __init__(self, path: str) -> None:
            with scandir(path) as entries:
                self.entries = list(entries)
            random.Random(seed).shuffle(self.entries)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *_: object) -> None:
            pass

    shuffling = SimpleNamespace(**(vars(os) | {"scandir": Shuffled}))
    monkeypatch.setattr("orchard.images.local.os", shuffling)  # other threads list as ever
    listing = list_images((str(tmp_path),))
    listed = paths(listing)
    assert [path for path, _ in listing.failures] == [f"{tmp_path}/gone{n}" for n in range(5)]
    assert listed == [str(tmp_path / name) for name in sorted(odd, key=str.encode)]
    assert listed[:3] == paths(list_images((str(tmp_path),), Selection(limit=3)))


def test_what_may_not_be_read_is_a_failure(open_path: Path) -> None:
    write(open_path / "in/fine.jpg")
    write(open_path / "in/secret.jpg").chmod(0)
    write(open_path / "in/locked/1.jpg").parent.chmod(0)
    write(open_path / "in/unsearchable/2.jpg").parent.chmod(0o744)

    with without_privileges():
        listing = list_images((str(open_path / "in"),))
        secret = read(str(open_path / "in/secret.jpg"))
    (open_path / "in/locked").chmod(0o755)
    assert [Path(path).name for path in paths(listing)] == ["fine.jpg", "secret.jpg"]
    assert reasons(listing) == {
        str(open_path / "in/locked"): Reason.FORBIDDEN,
        str(open_path / "in/unsearchable/2.jpg"): Reason.FORBIDDEN,
    }
    assert secret == Failure(Reason.FORBIDDEN, "Permission denied")


def test_a_folder_that_may_not_be_listed_is_no_silent_gap_under_include(open_path: Path) -> None:
    write(open_path / "in/fine.jpg")
    locked = write(open_path / "in/x/locked/1.jpg").parent
    locked.chmod(0)
    with without_privileges():
        included = list_images((str(open_path / "in"),), Selection(include=("*.jpg",)))
        excluded = list_images((str(open_path / "in"),), Selection(exclude=("x/locked/*",)))
    locked.chmod(0o755)
    assert reasons(included) == {str(locked): Reason.FORBIDDEN}
    assert reasons(excluded) == {}


def test_read_gives_the_bytes(tmp_path: Path) -> None:
    assert read(str(write(tmp_path / "a.jpg", b"12345"))) == b"12345"
    assert read(str(write(tmp_path / "empty.jpg", b""))) == b""
    assert read(str(tmp_path / "a.jpg"), max_bytes=5) == b"12345"


def test_read_says_why_not(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")  # opened for reading, it would wait for a writer
    write(tmp_path / "file")
    found = {
        name: read(str(tmp_path / name)) for name in ("gone", "folder", "pipe", "file/below")
    } | {"big": read(str(tmp_path / "file"), max_bytes=6)}
    assert found == {
        "gone": Failure(Reason.VANISHED, "No such file or directory"),
        "folder": Failure(Reason.VANISHED, "no longer a regular file"),
        "pipe": Failure(Reason.VANISHED, "no longer a regular file"),
        "file/below": Failure(Reason.VANISHED, "Not a directory"),
        "big": Failure(Reason.TOO_MANY_BYTES, "7 bytes; at most 6 are read"),
    }


def open_paths() -> set[str]:
    """Of this process; other threads open and close files of their own meanwhile."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(descriptor.readlink()))
    return found


def test_reading_leaves_no_file_open(tmp_path: Path) -> None:
    write(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    for name in ("file", "folder", "gone"):
        read(str(tmp_path / name))
    read(str(tmp_path / "file"), max_bytes=1)
    assert not {path for path in open_paths() if path.startswith(str(tmp_path))}
    with (tmp_path / "file").open():
        assert str(tmp_path / "file") in open_paths(), "as it would be told"


def test_nothing_to_read_is_said_with_the_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(SourceError, match=r"^no image in .*/in: expected at least one file that"):
        list_images((str(folder),))
    write(folder / "a.txt")
    with pytest.raises(SourceError, match="the --include and --exclude globs leave none"):
        list_images((str(folder),), Selection(exclude=("*.txt",)))
    with pytest.raises(SourceError, match=r"/absent: no such folder, file or pattern$"):
        list_images((str(folder), str(tmp_path / "absent")))
    with pytest.raises(SourceError, match=r"/\*\.jpg: no such folder, file or pattern$"):
        list_images((str(folder / "*.jpg"),))


def test_a_folder_to_skip_is_skipped_under_any_name(tmp_path: Path) -> None:
    write(tmp_path / "in/a.jpg")
    write(tmp_path / "in/out/b.jpg")
    (tmp_path / "in/link").symlink_to("out")
    for skip in (tmp_path / "in/out", tmp_path / "in/../in/out", tmp_path / "in/link"):
        assert names(tmp_path / "in", skip=skip) == ["a.jpg"]
    assert names(tmp_path / "in", skip=tmp_path / "absent") == [
        "a.jpg",
        "link/b.jpg",
        "out/b.jpg",
    ]


def test_more_paths_than_a_listing_holds_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setattr("orchard.images.listing_rows.MAX_PATH_BYTES", 2 * len(str(tmp_path / "a")))
    with pytest.raises(SourceError, match=r"has 3 files, .*run it folder by folder"):
        list_images((str(tmp_path),))
