"""What a result names is read only where a run would have listed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchard.images.confines import OUTSIDE, Confines, absolute, trusted
from orchard.records import Failure
from orchard.storage import DEFAULT

INSIDE = [
    "/photos/a.jpg",
    "/photos/plum/a b.jpg",
    "/more/2025/good/a.jpg",
    "/single.jpg",
    "s3://bucket/photos/a.jpg",
    "https://example.org/fruit/a.jpg",
]
OUTSIDE_PATHS = [
    "/etc/passwd",
    "/photos2/a.jpg",
    "/photos/../etc/passwd",
    "/photos//a.jpg",
    "/photos/./a.jpg",
    "/photos/.git/a.jpg",
    "/photos/plum/.hidden.jpg",
    "/photos/a\0.jpg",
    "photos/a.jpg",
    "file:///photos/a.jpg",
    "/more/2025/bad/a.jpg",
    "/single.jpg2",
    "s3://bucket/photos2/a.jpg",
    "s3://bucket/photos/../other/a.jpg",
    "s3://bucket/photos//a.jpg",
    "s3://other/photos/a.jpg",
    "gs://bucket/photos/a.jpg",
    "https://example.org/fruit/.git/config",
    "https://example.org.evil.net/fruit/a.jpg",
    "https://example.org@evil.net/fruit/a.jpg",
    "http://169.254.169.254/latest/meta-data",
    "",
]
SOURCES = (
    "/photos",
    "/more/*/good",
    "/single.jpg",
    "s3://bucket/photos/",
    "https://example.org/fruit",
)


@pytest.mark.parametrize("path", INSIDE)
def test_an_image_below_a_source_may_be_read(path: str) -> None:
    assert Confines(SOURCES, "/out").admits(path)


@pytest.mark.parametrize("path", OUTSIDE_PATHS)
def test_nothing_else_may(path: str) -> None:
    assert not Confines(SOURCES, "/out").admits(path)
    assert Confines(SOURCES, "/out").read(path, DEFAULT) == Failure("forbidden", OUTSIDE)


def test_a_record_opens_neither_the_whole_disk_nor_the_web() -> None:
    narrow = ("/photos", "/home/me/*.jpg", "s3://bucket", "gs://bucket/a")
    wide = (
        "/",
        "//",
        "/*",
        "/**/a",
        "",
        "photos",
        "/photos/../..",
        "http://10.0.0.1/",
        "https://x",
    )
    assert trusted((*narrow, *wide)) == narrow


@pytest.mark.parametrize("source", ["s3://", "s3:", "https://", "/photos/\0"])
def test_a_source_that_names_no_place_admits_nothing(source: str) -> None:
    assert not Confines((source,), "/out").admits("s3://bucket/a.jpg")
    assert not Confines((source,), "/out").admits("https://host/a.jpg")


def test_a_link_below_the_result_leads_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.jpg").write_bytes(b"secret")
    output = tmp_path / "project/result"
    output.mkdir(parents=True)
    (output / "link").symlink_to(secret)
    (output / "b.jpg").write_bytes(b"own")
    confines = Confines((str(tmp_path / "project"),), str(output))
    assert isinstance(confines.read(f"{output}/link/a.jpg", DEFAULT), Failure)
    assert confines.read(f"{output}/b.jpg", DEFAULT) == b"own"


def test_a_link_of_the_users_own_is_followed_as_a_run_does(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/a.jpg").write_bytes(b"mine")
    (tmp_path / "photos").symlink_to(tmp_path / "disk")
    confines = Confines((str(tmp_path / "photos"),), str(tmp_path / "out"))
    assert confines.read(f"{tmp_path}/photos/a.jpg", DEFAULT) == b"mine"


def test_a_relative_source_is_where_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("photos/../fruit") == f"{tmp_path}/fruit"
    assert absolute("s3://bucket/a") == "s3://bucket/a"
