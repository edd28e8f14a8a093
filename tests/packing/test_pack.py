"""Packing: the same images in few files, reproducible, and safe to run again."""

from __future__ import annotations

import hashlib
import os
import tarfile

import pytest
from images import packed

import orchard
from orchard.errors import ConfigError, SourceError
from orchard.images import source
from orchard.images.containers import shard_index
from orchard.packing import shards


@pytest.fixture
def folder(tmp_path):
    """Two folders of pictures and one at the top, some 60 kB."""
    root = tmp_path / "fruit"
    for name, data in packed.pictures(30).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / "top.jpg").write_bytes(packed.jpeg(500))
    return root


@pytest.fixture
def small(monkeypatch):
    """Shards of twenty pictures and fewer."""
    monkeypatch.setattr("orchard.packing.writing.MEGABYTE", 30_000)


def pack(source_, target, **settings):
    from conftest import silent

    sources = source_ if isinstance(source_, tuple) else (source_,)
    config = orchard.PackConfig(
        sources=tuple(map(str, sources)), output=str(target), **({"shard_size": 1} | settings)
    )
    return orchard.pack(config, silent())


def hashes(target):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in target.iterdir()}


def contents(root):
    """(label, bytes) by the path below the source."""
    listing = source.list_images((str(root),))
    assert not listing.failures
    names = [path.rpartition("!/")[2] for path in listing.images["path"].to_pylist()]
    labels = listing.images["label"].to_pylist()
    found = zip(labels, source.fetch(listing.images), strict=True)
    return dict(zip(names, found, strict=True))


def test_shards_hold_the_images_and_their_labels(folder, tmp_path, small):
    done = pack(folder, tmp_path / "shards")
    assert (done.n_images, done.n_shards) == (61, len(done.written))
    assert done.n_shards > 2
    got = contents(tmp_path / "shards")
    for path in folder.rglob("*.jpg"):
        label, data = got[f"fruit/{path.relative_to(folder)}"]
        assert (label, data) == (path.parent.name, path.read_bytes())
    assert len(got) == 61


def test_other_programs_read_a_shard(folder, tmp_path):
    pack(folder, tmp_path / "shards")
    with tarfile.open(tmp_path / "shards" / "shard-000000.tar") as archive:
        names = archive.getnames()
        data = archive.extractfile("fruit/apple/00.jpg").read()
    assert data == (folder / "apple" / "00.jpg").read_bytes()
    assert names == [*sorted(names[:-1]), shard_index.NAME]
    assert names[-1].startswith("__"), "WebDataset leaves out such names"
    assert names[-1].endswith("__")


def test_the_same_images_make_the_same_bytes(folder, tmp_path, small):
    pack(folder, tmp_path / "one")
    for number, path in enumerate(folder.rglob("*.jpg")):
        os.utime(path, (number, number))
    pack(folder, tmp_path / "two")
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_a_second_run_writes_nothing(folder, tmp_path, small):
    pack(folder, tmp_path / "shards")
    before = hashes(tmp_path / "shards")
    again = pack(folder, tmp_path / "shards")
    assert (again.written, again.removed, again.n_images) == ((), (), 61)
    assert hashes(tmp_path / "shards") == before


def test_new_images_leave_the_shards_that_are_there(folder, tmp_path, small):
    """Their paths stay what they are, and with them the features."""
    first = pack(folder, tmp_path / "shards")
    before = hashes(tmp_path / "shards")
    (folder / "apple" / "000-new.jpg").write_bytes(packed.jpeg(900))
    again = pack(folder, tmp_path / "shards")
    assert again.written == (first.n_shards,)
    after = hashes(tmp_path / "shards")
    assert {name: after[name] for name in before} == before
    assert again.n_images == 62 == len(contents(tmp_path / "shards"))


def test_a_changed_image_and_one_that_went_change_their_shards_alone(folder, tmp_path, small):
    first = pack(folder, tmp_path / "shards")
    before = hashes(tmp_path / "shards")
    data = bytearray((folder / "apple" / "00.jpg").read_bytes())
    data[-3] ^= 1
    (folder / "apple" / "00.jpg").write_bytes(data)  # as large as before
    (folder / "top.jpg").unlink()
    again = pack(folder, tmp_path / "shards")
    assert again.written == (0, first.n_shards - 1)
    changed = {name for name, value in hashes(tmp_path / "shards").items() if before[name] != value}
    assert changed == {"shard-000000.tar", shards.name_of(first.n_shards - 1)}
    got = contents(tmp_path / "shards")
    assert got["fruit/apple/00.jpg"][1] == bytes(data)
    assert "fruit/top.jpg" not in got


def test_a_shard_whose_images_all_went_goes(folder, tmp_path, small):
    pack(folder, tmp_path / "shards")
    for path in (folder / "plum").iterdir():
        path.unlink()
    again = pack(folder, tmp_path / "shards")
    assert again.removed
    assert again.n_images == 31 == len(contents(tmp_path / "shards"))


def test_an_interrupted_run_leaves_whole_shards_and_is_completed(
    folder, tmp_path, small, monkeypatch
):
    pack(folder, tmp_path / "whole")
    write = shards.write

    def interrupted(root, number, entries, storage):
        if number == 1:
            raise KeyboardInterrupt
        return write(root, number, entries, storage)

    monkeypatch.setattr(shards, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pack(folder, tmp_path / "shards")
    assert list(hashes(tmp_path / "shards")) == ["shard-000000.tar"]
    monkeypatch.undo()
    monkeypatch.setattr("orchard.packing.writing.MEGABYTE", 30_000)
    pack(folder, tmp_path / "shards")
    assert hashes(tmp_path / "shards") == hashes(tmp_path / "whole")


def test_labels_that_no_folder_says_come_along(tmp_path):
    files = packed.pictures(2)
    packed.parquet(tmp_path / "a.parquet", packed.table(files, ["fig", "kiwi", "fig", "kiwi"]))
    pack(tmp_path / "a.parquet", tmp_path / "shards")
    labels = [label for label, _ in contents(tmp_path / "shards").values()]
    assert labels == ["fig", "kiwi", "fig", "kiwi"]
    again = pack(tmp_path / "a.parquet", tmp_path / "shards")
    assert again.written == ()


def test_foreign_shards_are_not_replaced(folder, tmp_path):
    target = tmp_path / "shards"
    target.mkdir()
    packed.tar(target / "shard-000000.tar", {"mine.jpg": b"x"})
    before = hashes(target)
    with pytest.raises(SourceError, match=r"no shard that `orchard pack` wrote"):
        pack(folder, target)
    assert hashes(target) == before


def test_two_images_of_one_name_are_named(folder, tmp_path):
    other = tmp_path / "other" / "fruit"
    (other / "apple").mkdir(parents=True)
    (other / "apple" / "00.jpg").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"would both be fruit/apple/00.jpg"):
        pack((folder, other), tmp_path / "shards")


def test_packing_into_the_source_is_refused_and_below_it_is_not(folder, tmp_path):
    with pytest.raises(ConfigError, match="expected a folder of its own"):
        pack(folder, folder)
    assert pack(folder, folder / "shards").n_images == 61
    assert pack(folder, folder / "shards").written == ()


def test_long_names_keep_their_places(tmp_path):
    name = "ä" * 100 + "/" + "b" * 120 + ".jpg"
    (tmp_path / "in" / name).parent.mkdir(parents=True)
    (tmp_path / "in" / name).write_bytes(b"long")
    (tmp_path / "in" / "z.jpg").write_bytes(b"short")
    pack(tmp_path / "in", tmp_path / "shards")
    got = contents(tmp_path / "shards")
    assert got == {f"in/{name}": ("ä" * 100, b"long"), "in/z.jpg": ("in", b"short")}
    with tarfile.open(tmp_path / "shards" / "shard-000000.tar") as archive:
        assert archive.getnames()[0] == f"in/{name}" or archive.getnames()[1] == f"in/{name}"


def test_an_index_that_does_not_fit_is_not_believed(folder, tmp_path):
    """The headers are read then, as of any tar."""
    pack(folder, tmp_path / "shards")
    path = tmp_path / "shards" / "shard-000000.tar"
    whole = contents(path)
    data = bytearray(path.read_bytes())
    at = len(data) - len(shard_index.END) - shard_index.BLOCK
    data[at + 16 : at + 20] = b"9999"
    path.write_bytes(data)
    assert {n: v for n, v in contents(path).items() if n != shard_index.NAME} == whole
