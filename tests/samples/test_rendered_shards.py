from __future__ import annotations

import tarfile
from collections import Counter
from pathlib import Path

import pytest

from orchard.errors import ConfigError, SourceError
from orchard.images.source import list_images
from orchard.samples import rendered_shards
from orchard.samples.rendered_shards import PER_SHARD, write_shards
from orchard.samples.turntable import SPECIES, TURN, Frame
from tests.samples.test_turntable import digests

SMALL = 26  # pictures of a shard here: one of each species about each axis


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendered_shards, "PER_SHARD", SMALL)


def write(folder: Path, count: int, **settings: int) -> int:
    return write_shards(folder, count, size=16, **settings)


@pytest.mark.usefixtures("small_shards")
def test_the_same_seed_gives_the_same_bytes_and_a_larger_sample_begins_with_a_smaller(
    tmp_path: Path,
) -> None:
    for name, count, seed in (("a", 52, 0), ("b", 60, 0), ("c", 52, 1)):
        assert write(tmp_path / name, count, seed=seed) == count
    a, b, c = (digests(tmp_path / name) for name in "abc")
    assert len(a) == 2
    assert len(b) == 3
    assert a.items() < b.items()
    assert not a.items() & c.items()


@pytest.mark.usefixtures("small_shards")
def test_what_is_there_is_left_alone_and_what_is_wrong_is_written_again(tmp_path: Path) -> None:
    write(tmp_path / "a", 56)
    whole = digests(tmp_path / "a")
    assert write(tmp_path / "a", 56) == 0
    (tmp_path / "a/shard-000001.tar").unlink()
    assert write(tmp_path / "a", 56) == SMALL
    assert write(tmp_path / "a", 58) == 58 - 2 * SMALL
    assert write(tmp_path / "a", 56) == 56 - 2 * SMALL
    assert digests(tmp_path / "a") == whole
    assert write(tmp_path / "a", 56, seed=3) == 56


@pytest.mark.long
def test_processes_make_no_difference(tmp_path: Path) -> None:
    parts = [rendered_shards._Part(number, 20) for number in (0, 1)]
    by_hand = [rendered_shards._write(str(tmp_path / "one"), 0, 16, part) for part in parts]
    work = rendered_shards.partial(rendered_shards._write, str(tmp_path / "two"), 0, 16)
    assert list(rendered_shards._written(work, parts, 2)) == by_hand
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


@pytest.mark.usefixtures("small_shards")
def test_shards_are_a_source_with_the_labels_of_folders(tmp_path: Path) -> None:
    write(tmp_path, 52)
    images = list_images((str(tmp_path),)).images
    assert Counter(images["label"].to_pylist()) == dict.fromkeys(SPECIES, 4)


def test_a_shard_holds_each_picture_of_a_turn_once() -> None:
    """And the pictures of two shards are of different fruit."""
    frames = [list(rendered_shards._Part(number, PER_SHARD).frames()) for number in (0, 107)]
    for number, found in zip((0, 107), frames, strict=True):
        assert len(set(found)) == PER_SHARD
        assert {frame.number // TURN for frame in found} == {number}
    first = frames[0][:13]
    assert {frame.species for frame in first} == set(SPECIES)


@pytest.mark.long
def test_no_two_pictures_of_a_shard_are_the_same() -> None:
    frames = rendered_shards._Part(0, PER_SHARD).frames()
    assert len({frame.encoded(0, 100) for frame in frames}) == PER_SHARD


def test_a_member_is_the_picture_that_the_file_of_its_name_holds(tmp_path: Path) -> None:
    write(tmp_path, 3)
    with tarfile.open(tmp_path / "shard-000000.tar") as archive:
        member = archive.extractfile(f"{SPECIES[1]}/0_16.jpg")
        assert member is not None
        assert member.read() == Frame(SPECIES[1], 0, 0).encoded(0, 16)


def test_another_files_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shard-000000.tar").write_bytes(b"not ours" * 1000)
    with pytest.raises(SourceError, match=r"no shard that `orchard pack` wrote"):
        write(tmp_path, 3)


def test_a_url_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a folder"):
        write(Path("s3://bucket/shards"), 3)
