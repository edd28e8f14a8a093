"""Archives and tables as sources: every member is a row, each with its own bytes or a reason."""

from __future__ import annotations

import io
import json
import os
import struct
import tarfile
import zipfile
import zlib

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from images import packed

from orchard.errors import ConfigError
from orchard.images import source
from orchard.images.confines import Confines
from orchard.images.containers import ahead, names, reading
from orchard.images.containers.places import in_reading_order
from orchard.records import Failure, Reason


def listed(path, **selection):
    return source.list_images((str(path),), source.Selection(**selection))


def read(listing):
    """What `fetch` gives of each image of a listing, by path."""
    images = in_reading_order(listing.placed)
    return dict(zip(images["path"].to_pylist(), source.fetch(images), strict=True))


def why(listing):
    return {path.rpartition("!/")[2]: failure.reason for path, failure in listing.failures}


def keys(listing):
    paths, etags = (listing.images[name].to_pylist() for name in ("path", "etag"))
    return dict(zip(paths, etags, strict=True))


def labels(listing):
    paths = (path.rpartition("!/")[2] for path in listing.images["path"].to_pylist())
    return dict(zip(paths, listing.images["label"].to_pylist(), strict=True))


@pytest.mark.parametrize("name", packed.EVERY_KIND)
@pytest.mark.parametrize("as_file", [True, False], ids=["as SOURCE", "in a folder"])
def test_every_member_has_its_bytes(tmp_path, name, as_file):
    files = packed.pictures()
    path = packed.write(tmp_path / name, files)
    listing = listed(path if as_file else tmp_path)
    assert not listing.failures
    assert read(listing) == {f"{path}!/{member}": data for member, data in files.items()}
    assert labels(listing) == {member: member.split("/")[0] for member in files}
    sizes = dict(
        zip(listing.images["path"].to_pylist(), listing.images["size"].to_pylist(), strict=False)
    )
    if not name.endswith("parquet"):
        assert sizes == {f"{path}!/{member}": len(data) for member, data in files.items()}


@pytest.mark.parametrize("name", packed.EVERY_KIND)
def test_a_member_is_read_by_its_path_alone(tmp_path, name):
    """As reports and neighbours do, which know no more of it."""
    files = packed.pictures()
    path = packed.write(tmp_path / name, files)
    images = listed(path).images.select(["path", "size"])
    assert list(source.fetch(images)) == [
        files[p.split("!/")[1]] for p in images["path"].to_pylist()
    ]
    assert source.read(f"{path}!/plum/02.jpg") == files["plum/02.jpg"]
    assert source.read(f"{path}!/plum/nothing.jpg").reason is Reason.VANISHED


def test_a_path_alone_is_of_the_archive_as_it_is_now(tmp_path):
    path = packed.write(tmp_path / "a.tar", {"a.jpg": b"one"})
    assert source.read(f"{path}!/a.jpg") == b"one"
    packed.write(path, {"before.jpg": b"x" * 5000, "a.jpg": b"two"})
    assert source.read(f"{path}!/a.jpg") == b"two"


def test_files_and_members_are_listed_side_by_side(tmp_path):
    (tmp_path / "pear").mkdir()
    (tmp_path / "pear" / "1.jpg").write_bytes(packed.jpeg(1))
    packed.tar(tmp_path / "shard.tar", {"apple/1.jpg": packed.jpeg(2)})
    listing = listed(tmp_path)
    assert listing.images["path"].to_pylist() == [
        f"{tmp_path}/pear/1.jpg", f"{tmp_path}/shard.tar!/apple/1.jpg"
    ]  # fmt: skip
    assert listing.images["label"].to_pylist() == ["pear", "apple"]
    assert set(read(listing).values()) == {packed.jpeg(1), packed.jpeg(2)}


def test_a_folder_without_containers_is_listed_as_ever(tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"x")
    assert listed(tmp_path).images.column_names == ["path", "label", "size", "modified", "etag"]


def test_a_folder_named_as_an_archive_is_a_folder(tmp_path):
    (tmp_path / "old.tar!").mkdir()
    (tmp_path / "old.tar!" / "1.jpg").write_bytes(b"one")
    listing = listed(tmp_path)
    assert list(source.fetch(listing.images)) == [b"one"]


def test_members_of_one_time_and_size_in_a_changed_archive_are_read_again(tmp_path):
    """Of tars without times, as reproducible ones are, nothing else could tell."""
    path = tmp_path / "a.tar"

    def etags(data):
        with tarfile.open(path, "w") as archive:
            for name in ("a.jpg", "b.jpg"):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return listed(path).images["etag"].to_pylist()

    before = etags(b"one")
    os.utime(path, (1, 1))
    assert set(before).isdisjoint(etags(b"two"))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_unchanged_members_of_a_changed_archive_keep_their_keys(tmp_path, name):
    files = packed.pictures()
    path = packed.write(tmp_path / name, files)
    before = keys(listed(path))
    files["apple/01.jpg"] = packed.jpeg(99)
    packed.write(path, files | {"plum/99.jpg": packed.jpeg(98)})
    after = keys(listed(path))
    changed = {p.split("!/")[1] for p in after if after[p] != before.get(p)}
    assert changed == {"apple/01.jpg", "plum/99.jpg"}


# Labels


def test_a_member_at_the_top_is_labelled_by_the_archives_folder(tmp_path):
    (tmp_path / "apple").mkdir()
    packed.tar(tmp_path / "apple" / "shard-0001.tar", {"1.jpg": b"x", "red/2.jpg": b"x"})
    assert labels(listed(tmp_path)) == {"1.jpg": "apple", "red/2.jpg": "red"}


def test_sidecars_say_labels_and_are_no_rows(tmp_path):
    path = packed.tar(
        tmp_path / "a.tar",
        [("00001.jpg", b"x"), ("00001.cls", b"pear\n"), ("00001.json", b'{"label": "no"}'),
         ("00002.jpg", b"x"), ("00002.json", b'{"label": "fig", "kind": "fruit"}'),
         ("00003.jpg", b"x"), ("00003.txt", b"a photo of a plum"),
         ("00004.seg.png", b"x"), ("00004.json", b"not JSON"), ("README.txt", b"hello")],
    )  # fmt: skip
    parent = tmp_path.name
    found = labels(listed(path))
    assert found == {
        "00001.jpg": "pear", "00002.jpg": "fig", "00003.jpg": parent, "00004.seg.png": parent,
        "README.txt": parent,
    }  # fmt: skip
    kinds = labels(listed(path, label="column:kind"))
    assert kinds["00002.jpg"] == "fruit"
    assert kinds["00001.jpg"] is None
    assert labels(listed(path, label="column:txt"))["00003.jpg"] == "a photo of a plum"
    assert set(labels(listed(path, label="none")).values()) == {None}


def test_a_table_says_labels_by_a_column(tmp_path):
    files = packed.pictures(2)
    rows = packed.table(files, [0, 1, 1, None]).append_column("farm", pa.array(list("abcd")))
    features = {
        "image": {"_type": "Image"},
        "label": {"names": ["fig", "kiwi"], "_type": "ClassLabel"},
    }
    rows = rows.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    path = packed.parquet(tmp_path / "a.parquet", rows)
    assert list(labels(listed(path)).values()) == ["fig", "kiwi", "kiwi", "plum"]
    assert list(labels(listed(path, label="column:farm")).values()) == list("abcd")
    with pytest.raises(ConfigError, match=r"label column:nothing.*it has image, label, farm"):
        listed(path, label="column:nothing")


@pytest.mark.parametrize("column", [pa.binary(), pa.large_binary()])
def test_a_plain_binary_column_is_one_of_images(tmp_path, column):
    files = packed.pictures(2)
    rows = pa.table({"content": pa.array(list(files.values()), column), "score": [1.0] * 4})
    path = packed.parquet(tmp_path / "a.parquet", rows)
    assert list(read(listed(path)).values()) == list(files.values())
    assert listed(path).images["path"].to_pylist()[0] == f"{path}!/0000000"


def test_a_path_that_cannot_name_a_member_is_no_reason_to_lose_the_image(tmp_path):
    """DuckDB's read_blob writes absolute paths, crawlers addresses."""
    paths = ["/data/apple/1.jpg", "https://example.org/2.jpg", "../3.jpg", None]
    images = pa.array([{"bytes": bytes([n]), "path": path} for n, path in enumerate(paths)])
    path = packed.parquet(tmp_path / "a.parquet", pa.table({"image": images}))
    found = {p.split("!/")[1]: data for p, data in read(listed(path)).items()}
    assert found == {
        "data/apple/1.jpg": b"\0", "0000001": b"\1", "0000002": b"\2", "0000003": b"\3"
    }  # fmt: skip


@pytest.mark.parametrize(
    "select",
    [
        "SELECT * FROM read_blob('{folder}/*/*.jpg')",
        "SELECT filename AS path, content AS image FROM read_blob('{folder}/*/*.jpg')",
        "SELECT {{'bytes': content, 'path': filename}} AS image, "
        "parse_path(filename)[-2] AS label FROM read_blob('{folder}/*/*.jpg')",
    ],
)
@pytest.mark.parametrize("options", ["", ", ROW_GROUP_SIZE 2048, COMPRESSION zstd"])
def test_a_table_of_duckdb_is_read(tmp_path, select, options):
    files = packed.pictures()
    for name, data in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    path = tmp_path / "photos.parquet"
    with duckdb.connect() as connection:
        query = select.format(folder=tmp_path / "in")
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet{options})")
    listing = listed(path)
    root = f"{str(tmp_path).lstrip('/')}/in/"
    assert read(listing) == {f"{path}!/{root}{name}": data for name, data in files.items()}
    assert labels(listing) == {root + name: name.split("/")[0] for name in files}


def test_rows_of_one_path_are_different_images(tmp_path):
    images = pa.array([{"bytes": bytes([n]), "path": "image.jpg"} for n in range(3)])
    path = packed.parquet(tmp_path / "a.parquet", pa.table({"image": images}))
    found = {p.split("!/")[1]: data for p, data in read(listed(path)).items()}
    assert found == {"image.jpg": b"\0", "image.jpg#1": b"\1", "image.jpg#2": b"\2"}


# Globs


def test_globs_admit_members_and_exclude_archives(tmp_path):
    packed.tar(tmp_path / "a.tar", {"apple/1.jpg": b"x", "apple/1.txt": b"x", "plum/1.jpg": b"x"})
    packed.zip_(tmp_path / "b.zip", {"apple/1.jpg": b"x"})
    assert set(labels(listed(tmp_path, include=("*.jpg",)))) == {"apple/1.jpg", "plum/1.jpg"}
    assert listed(tmp_path, exclude=("*.zip", "*.txt")).n_listed == 2
    assert listed(tmp_path, include=("a.tar!/plum/*",)).n_listed == 1
    assert listed(tmp_path / "a.tar", include=("plum/*",)).n_listed == 1


def test_what_is_listed_is_what_is_expected(tmp_path):
    """So that members that went are told from those that another run listed."""
    packed.tar(tmp_path / "a.tar", {"apple/1.jpg": b"x", "plum/1.jpg": b"x"})
    for place in (tmp_path, tmp_path / "a.tar", tmp_path / "*.tar"):
        for rules in (
            {},
            {"include": ("plum/*",)},
            {"exclude": ("a.tar",)},
            {"exclude": ("1.jpg",)},
        ):
            selection = source.Selection(**rules)
            expected = selection.expects((str(place),))
            try:
                found = set(source.list_images((str(place),), selection).images["path"].to_pylist())
            except source.SourceError:
                found = set()
            for name in ("apple/1.jpg", "plum/1.jpg"):
                path = f"{tmp_path}/a.tar!/{name}"
                assert expected(path) == (path in found), (place, rules, name)


# What cannot be read


def test_each_member_that_is_no_image_has_a_reason(tmp_path):
    path = packed.tar(
        tmp_path / "a.tar",
        [("../../etc/passwd.jpg", b"x"), ("/photos/1.jpg", b"x"), ("inner.zip", b"x"),
         ("twice.jpg", b"first"), ("twice.jpg", b"second"), (".hidden.jpg", b"x"),
         ("__MACOSX/._1.jpg", b"x"), ("./good.jpg", b"good")],
    )  # fmt: skip
    listing = listed(path)
    assert {p: f.reason for p, f in listing.failures} == {
        f"{path}!/../../etc/passwd.jpg": Reason.BAD_NAME,
        f"{path}!//photos/1.jpg": Reason.BAD_NAME,
        f"{path}!/inner.zip": Reason.UNSUPPORTED,
        f"{path}!/twice.jpg (copy 1)": Reason.DUPLICATE,
    }
    assert read(listing) == {f"{path}!/good.jpg": b"good", f"{path}!/twice.jpg": b"second"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar"], "nothing is unpacked"


def test_links_are_followed_inside_the_archive(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("apple/1.jpg")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"one"))
        for name, kind, target in (
            ("same.jpg", tarfile.LNKTYPE, "apple/1.jpg"),
            ("apple/2.jpg", tarfile.SYMTYPE, "1.jpg"),
            ("out.jpg", tarfile.SYMTYPE, "/etc/passwd"),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            archive.addfile(link)
    listing = listed(path)
    assert why(listing) == {"out.jpg": Reason.VANISHED}
    assert {p.split("!/")[1]: data for p, data in read(listing).items()} == {
        "apple/1.jpg": b"one", "apple/2.jpg": b"one", "same.jpg": b"one"
    }  # fmt: skip


@pytest.mark.parametrize("n_bytes", [4000, 6100, 512 * 4])
def test_a_cut_tar_gives_what_it_holds_and_says_so(tmp_path, n_bytes):
    files = packed.pictures()
    whole = packed.tar(tmp_path / "a.tar", files).read_bytes()
    path = tmp_path / "a.tar"
    path.write_bytes(whole[:n_bytes])
    listing = listed(path)
    assert dict(listing.failures)[str(path)].reason is Reason.TRUNCATED
    got = read(listing)
    assert got
    assert all(got[p] == files[p.split("!/")[1]] for p in got)


def test_a_damaged_header_is_no_silent_end(tmp_path):
    path = packed.tar(tmp_path / "a.tar", packed.pictures())
    data = bytearray(path.read_bytes())
    second = 512 + -(-len(packed.pictures()["apple/00.jpg"]) // 512) * 512
    data[second : second + 512] = b"\xaa" * 512
    path.write_bytes(data)
    listing = listed(path)
    assert listing.images.num_rows == 1
    assert [f.reason for _, f in listing.failures] == [Reason.CORRUPT]


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("a.zip", lambda data: data[: len(data) // 2], Reason.TRUNCATED),
        ("a.tar.gz", lambda data: data[: len(data) // 2], Reason.TRUNCATED),
        ("a.parquet", lambda data: data[: len(data) // 2], Reason.NOT_AN_IMAGE),
        ("a.tar", lambda _: b"hello", Reason.TRUNCATED),
        ("a.zip", lambda _: b"hello", Reason.NOT_AN_IMAGE),
        ("a.tar.gz", lambda _: b"hello" * 999, Reason.NOT_AN_IMAGE),
        ("a.zip", lambda _: b"", Reason.NOT_AN_IMAGE),
        ("a.arrow", lambda _: b"hello", Reason.NOT_AN_IMAGE),
    ],
)
def test_a_broken_archive_is_a_row_of_its_own(tmp_path, name, change, reason):
    (tmp_path / "fine.jpg").write_bytes(b"fine")
    path = packed.write(tmp_path / name, packed.pictures(40))
    path.write_bytes(change(path.read_bytes()))
    failures = dict(listed(tmp_path).failures)
    assert failures[str(path)].reason is reason


def test_a_table_without_images_says_its_columns(tmp_path):
    (tmp_path / "fine.jpg").write_bytes(b"fine")
    packed.parquet(tmp_path / "sales.parquet", pa.table({"year": [1], "euros": [2]}))
    ((_, failure),) = listed(tmp_path).failures
    assert failure.reason is Reason.NOT_AN_IMAGE
    assert "its columns: year, euros" in failure.detail


def test_encrypted_members_are_told(tmp_path):
    path = packed.zip_(tmp_path / "a.zip", {"a.jpg": b"x" * 100, "b.jpg": b"y" * 100})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the first entry's flag
    path.write_bytes(data)
    listing = listed(path)
    assert why(listing) == {"a.jpg": Reason.ENCRYPTED}
    assert list(read(listing).values()) == [b"y" * 100]


def test_bombs_are_refused_before_they_expand(tmp_path):
    big = b"\0" * (100 * 1024 * 1024)
    listing = listed(packed.zip_(tmp_path / "a.zip", {"bomb.jpg": big, "b.jpg": b"b"}))
    assert why(listing) == {"bomb.jpg": Reason.TOO_COSTLY}
    (tmp_path / "a.zip").unlink()
    path = packed.tar(tmp_path / "b.tar.gz", [("b.jpg", b"b"), ("bomb.jpg", big)], "w:gz")
    listing = listed(path)
    assert dict(listing.failures)[str(path)].reason is Reason.TOO_COSTLY
    assert listing.images.num_rows == 1


def test_a_zip_that_lies_about_sizes_gives_no_more_than_it_says(tmp_path):
    """Directory and header say 100 bytes; ten megabytes would come."""
    path = packed.zip_(tmp_path / "a.zip", {"a.jpg": b"\0" * 10_000_000})
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        struct.pack_into("<I", data, data.index(signature) + at, 100)
    path.write_bytes(data)
    (content,) = read(listed(path)).values()
    assert content.reason is Reason.CORRUPT


def test_overlapping_members_are_refused(tmp_path):
    """As of the bombs that reach a ratio of millions: one kernel, named many times."""
    path = packed.zip_(tmp_path / "a.zip", {"a.jpg": b"a" * 500, "b.jpg": b"b" * 500}, 0)
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\x01\x02")
    struct.pack_into("<II", data, first + 20, 700, 700)
    path.write_bytes(data)
    assert why(listed(path)) == {"a.jpg": Reason.CORRUPT}


def test_a_flipped_bit_in_a_zip_is_noticed(tmp_path):
    path = packed.zip_(tmp_path / "a.zip", {"a.jpg": b"a" * 500}, zipfile.ZIP_STORED)
    listing = listed(path)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    status = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (content,) = read(listing).values()
    assert content.reason is Reason.CORRUPT


@pytest.mark.parametrize("name", packed.EVERY_KIND)
def test_an_archive_that_changes_after_its_listing_gives_no_wrong_bytes(tmp_path, name):
    path = packed.write(tmp_path / name, packed.pictures())
    listing = listed(path)
    packed.write(path, {f"other/{n}.jpg": packed.jpeg(n + 50) for n in range(9)})
    os.utime(path, (5, 5))
    assert {found.reason for found in read(listing).values()} == {Reason.VANISHED}
    path.unlink()
    assert {found.reason for found in read(listing).values()} == {Reason.VANISHED}


def test_names_that_are_not_utf_8_are_told(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        info = tarfile.TarInfo("grün.jpg")
        archive.addfile(info)
    ((name, failure),) = listed(path).failures
    assert failure.reason is Reason.BAD_NAME
    assert name == f"{path}!/gr\\xfcn.jpg"


# Reading


def test_neighbours_share_a_range_and_strangers_do_not(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "RANGE_BYTES", 200_000)
    files = {f"{n:03d}.jpg": bytes([n]) * 10_000 for n in range(100)}
    path = packed.tar(tmp_path / "a.tar", files)
    images = in_reading_order(listed(path).placed)
    rows = reading.places(images, source.DEFAULT)
    n_whole = len(list(reading.jobs(rows, source.DEFAULT, 10**9)))
    assert n_whole == -(-100 // (200_000 // 10_752))
    n_far = len(list(reading.jobs(rows[::20], source.DEFAULT, 10**9)))
    assert n_far == 5


def test_a_stream_is_not_read_far_ahead_of_who_takes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(ahead, "QUEUED_BYTES", 50_000)
    taken = []
    files = {f"{n:03d}.jpg": np.random.default_rng(n).bytes(10_000) for n in range(60)}
    path = packed.tar(tmp_path / "a.tar.gz", files, "w:gz")
    content = reading.tars._content
    monkeypatch.setattr(reading.tars, "_content", lambda *a: taken.append(1) or content(*a))
    contents = source.fetch(listed(path).placed)
    first = [next(contents) for _ in range(10)]
    assert all(isinstance(one, bytes) for one in first)
    assert len(taken) <= 10 + 7
    contents.close()
    assert len(taken) <= 10 + 8, "a reader that is left ends"


def test_a_result_reads_only_members_below_its_sources(tmp_path):
    shard = f"{tmp_path}/in/a.tar"
    within = Confines((f"{tmp_path}/in",), f"{tmp_path}/out")
    alone = Confines((shard,), f"{tmp_path}/out")
    for confines in (within, alone):
        assert confines.admits(f"{shard}!/apple/1.jpg")
        assert not confines.admits(f"{tmp_path}/other.tar!/apple/1.jpg")
        assert not confines.admits(f"{shard}!/../../other.tar!/1.jpg")
        assert not confines.admits(f"{shard}!/.hidden.jpg")
    bucket = Confines(("s3://b/in/a.tar",), f"{tmp_path}/out")
    assert bucket.admits("s3://b/in/a.tar!/apple/1.jpg")
    assert not bucket.admits("s3://b/in/b.tar!/apple/1.jpg")


def test_names_of_containers_are_known_in_any_case():
    assert names.kind_of("/a/B.TAR.GZ") == names.STREAM
    assert names.kind_of("/a/.tar") is None
    assert names.kind_of("/a/b.tar/c.jpg") is None
    assert names.split("s3://b/x.tar!/a!/b.zip!/c") == ("s3://b/x.tar", "a!/b.zip!/c")
    assert names.split("/a/x!/b.jpg") is None


def test_checksums_are_those_of_the_content(tmp_path):
    path = packed.zip_(tmp_path / "a.zip", {"a.jpg": b"abc"})
    assert listed(path).images["etag"].to_pylist() == [f"{zlib.crc32(b'abc'):08x}-3"]


def test_a_row_without_bytes_hides_no_other(tmp_path):
    images = pa.array([{"bytes": None, "path": "a.jpg"}, {"bytes": b"b", "path": "b.jpg"}])
    path = packed.parquet(tmp_path / "a.parquet", pa.table({"image": images}))
    found = list(read(listed(path)).values())
    assert found == [Failure(Reason.EMPTY, "the row holds no bytes of an image"), b"b"]


@pytest.mark.parametrize("name", packed.EVERY_KIND)
def test_whatever_is_wrong_with_an_archive_every_row_gets_its_answer(tmp_path, name):
    """Bytes flipped, cut out and put in, anywhere: nothing is raised, nothing waits, and what is
    given as bytes of a zip is what its checksum says."""
    path = packed.write(tmp_path / name, packed.pictures())
    whole = path.read_bytes()
    rng = np.random.default_rng(len(name))
    (tmp_path / "fine.jpg").write_bytes(b"fine")
    for number in range(40):
        data = bytearray(whole)
        at = int(rng.integers(len(data)))
        if number % 4 == 0:
            del data[at : at + int(rng.integers(1, 600))]
        elif number % 4 == 1:
            data[at:at] = rng.bytes(int(rng.integers(1, 600)))
        else:
            for _ in range(int(rng.integers(1, 30))):
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
        path.write_bytes(data)
        listing = listed(tmp_path)
        got = read(listing)
        assert len(got) == listing.images.num_rows
        assert got[f"{tmp_path}/fine.jpg"] == b"fine"
        assert all(isinstance(one, bytes | Failure) for one in got.values())
        alone = list(source.fetch(listing.images))
        assert len(alone) == len(got)
