"""In a bucket too Orchard touches what it made, and nothing else."""

from __future__ import annotations

import json

import pytest
from store.test_ownership import FOREIGN
from store.test_tables import R0, R1, R2, R3, commit, feature_rows, paths

from orchard.config import RunConfig
from orchard.errors import ConfigError, TableError
from orchard.images.source import Selection
from orchard.pipeline import places
from orchard.store import names, ownership, staging
from orchard.store.compaction import compact
from orchard.store.erase import erase
from orchard.store.names import MARKER
from orchard.store.tables import Tables


@pytest.fixture
def result(bucket):
    output = bucket.output()
    with ownership.claim(output):
        commit(output, R1, "ab", "cd")
        commit(output, R2, "e")
        staging.discard_staged(output)
    return output


def planted(bucket):
    for name in FOREIGN:
        bucket.put(f"out/{name}", name.encode())
    return foreign(bucket)


def foreign(bucket):
    there = bucket.contents("out/")
    return {name: there[f"out/{name}"] for name in FOREIGN}


def test_no_command_deletes_an_object_of_others_wherever_it_lies(bucket, result):
    before = planted(bucket)
    orphan = f"features/part-{R0}-000000-0123abcd.parquet"
    bucket.put(f"out/{orphan}")
    staging.stage(result, R3, "features", "0", feature_rows("z"))
    commit(result, R3, "x", superseded="a")
    erase(result, ["c"])
    compact(result, 1024**2)
    Tables(result).vacuum()
    for folder in names.FOLDERS:
        if folder not in names.TABLES:
            result.delete_folder(folder)
    assert foreign(bucket) == before
    assert not {f"out/{orphan}"} & set(bucket.contents())
    assert paths(result) == list("bdex")


@pytest.mark.parametrize("name", ["features/holiday.jpg", "explained_variance.csv", "_lock"])
def test_a_folder_with_objects_of_others_where_tables_go_is_refused(bucket, name):
    bucket.put(f"out/{name}", b"mine")
    before = bucket.contents()
    with (
        pytest.raises(TableError, match=rf"holds {name}, which Orchard did not make"),
        ownership.claim(bucket.output()),
    ):
        pytest.fail("claimed")
    assert bucket.contents() == before


def test_of_a_run_that_nothing_came_of_nothing_stays(bucket):
    bucket.put("out/notes.txt")
    with ownership.claim(bucket.output()):
        assert set(bucket.contents()) == {f"out/{n}" for n in ("notes.txt", "_lock", MARKER)}
    assert set(bucket.contents()) == {"out/notes.txt"}


def test_a_log_without_its_last_entry_is_told_and_nothing_is_deleted(bucket, result):
    last = f"out/features/_delta_log/{2:020}.json"
    bucket.client.delete_object(Bucket=bucket.name, Key=last)
    before = bucket.contents()
    with pytest.raises(TableError, match="lost its last entry"):
        Tables(result).vacuum()
    assert Tables(result).sweep() == 0
    assert bucket.contents() == before


def test_results_in_the_source_are_left_out(bucket, result):
    with ownership.claim(bucket.output("old")):
        commit(bucket.output("old"), R1, "a")
    bucket.client.delete_object(Bucket=bucket.name, Key=f"old/{MARKER}")
    newer = json.dumps({"format": 7, "result": "x", "made_by": "orchard 9"}).encode()
    bucket.put("newer/_orchard.json", newer)
    for key in ("photos/a.jpg", "out/report/page.png", "old/report/page.png", "newer/x.jpg"):
        bucket.put(key)
    bucket.put("other/_orchard.json", b"{}")
    listing = bucket.list()
    assert listing.images["path"].to_pylist() == [
        bucket.url("other/_orchard.json"), bucket.url("photos/a.jpg"),
    ]  # fmt: skip
    assert listing.left_out == tuple(bucket.url(name) for name in ("newer", "old", "out"))


def test_a_source_that_is_a_result_is_refused(bucket, result):
    with pytest.raises(ConfigError, match="is a result of Orchard"):
        bucket.list("out")


@pytest.mark.parametrize(
    ("source", "output"),
    [("photos", "photos"), ("photos/apple", "photos"), ("photos", ""), ("photos/", "photos")],
)
def test_output_at_or_above_the_images_is_refused(bucket, source, output):
    bucket.put("photos/apple/0.png")
    config = RunConfig(sources=(bucket.url(source),), output=bucket.url(output))
    with pytest.raises(ConfigError, match="expected a folder of its own"):
        places.check(config, bucket.output(output) if output else bucket.output(""))
    assert set(bucket.contents()) == {"photos/apple/0.png"}


def test_output_beside_or_inside_the_source_is_not(bucket):
    for source, output in (("photos", "photos2"), ("photos", "photos/out"), ("", "out")):
        config = RunConfig(sources=(bucket.url(source),), output=bucket.url(output))
        places.check(config, bucket.output(output))


@pytest.mark.parametrize("name", ["a#b", "what?"])
def test_a_url_with_a_hash_or_a_question_mark_is_refused_before_anything_is_written(name):
    with pytest.raises(ConfigError, match=r"a URL ends at # or \?"):
        RunConfig(sources=("photos",), output=f"s3://bucket/{name}/out")


@pytest.mark.s3
def test_a_run_in_a_bucket_of_somebody_leaves_their_objects(s3_run, bucket, photos):
    bucket.upload(photos)
    first = s3_run(bucket.url("photos"), bucket.url("out"))
    assert Selection.of(RunConfig(sources=("x",), output=first.output)).skip == first.output
    before = planted(bucket)
    bucket.put("photos/plum/0.png", bucket.read("photos/plum/1.png"))
    s3_run(bucket.url("photos"), bucket.url("out"))
    assert s3_run(bucket.url(), bucket.url("out2")).record["counts"]["listed"] == 40
    assert foreign(bucket) == before
    as_before = bucket.contents()
    with pytest.raises(ConfigError, match="is a result of Orchard"):
        s3_run(bucket.url("out"), bucket.url("photos"))
    assert bucket.contents() == as_before
