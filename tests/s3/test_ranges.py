"""Of a table's file in a bucket, the columns asked for are fetched, and no others."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from s3.proxy import Answer, Cut, Reset, Whole

from orchard.errors import DamagedError, TableError
from orchard.records import COMPONENTS, FEATURES, list_column
from orchard.store import contents, staging
from orchard.store.ranges import TAIL
from orchard.store.tables import Tables

N_ROWS = 2000


@pytest.fixture
def staged(bucket):
    vectors = np.random.default_rng(3).random((N_ROWS, 1280), np.float32)
    columns = {
        "path": [f"s3://fruits/{n:04}.jpg" for n in range(N_ROWS)],
        "size": list(range(N_ROWS)),
        "features": list_column(vectors, FEATURES.field("features").type),
    }
    rows = pa.table(
        {field.name: columns.get(field.name, pa.nulls(N_ROWS, field.type)) for field in FEATURES},
        schema=FEATURES,
    )
    return staging.stage(bucket.output(), "run", "features", "0", rows), rows


def bytes_read(proxy):
    ranges = [r.headers["range"].removeprefix("bytes=") for r in proxy.log if r.method == "GET"]
    limits = [text.partition("-")[::2] for text in ranges]
    return sum(int(stop) - int(start) + 1 if start else int(stop) for start, stop in limits)


def test_keys_are_read_without_the_features(bucket, proxy, staged):
    """The end of the file with its footer, then a part for each column."""
    file, rows = staged
    proxy.forget()
    found = contents.read_file(bucket.output(), file.path, ["path", "size"])
    assert found.equals(rows.select(["path", "size"]))
    assert bytes_read(proxy) < TAIL + 100_000 < file.n_bytes / 10
    assert [r.method for r in proxy.log] == ["GET", "GET", "GET"]


def test_a_small_file_is_one_request(bucket, proxy, staged):
    rows = staged[1].slice(0, 50)
    file = staging.stage(bucket.output(), "run", "features", "1", rows)
    proxy.forget()
    found = contents.read_file(bucket.output(), file.path, ["path", "size"])
    assert found.equals(rows.select(["path", "size"]))
    assert [r.method for r in proxy.log] == ["GET"]


def test_a_file_that_was_emptied_is_damaged(bucket, proxy, staged):
    file, _ = staged
    bucket.put(f"out/{file.path}", b"")
    with pytest.raises(DamagedError, match="is not as it was stored"):
        contents.read_file(bucket.output(), file.path, ["path", "size"])


def test_a_staged_file_is_described_after_one_look_at_all_of_it(bucket, proxy, staged):
    file, _ = staged
    proxy.forget()
    assert staging.describe(bucket.output(), file.path) == file
    assert proxy.count("GET") == {f"out/{file.path}": 1}
    data = bytearray(bucket.read(f"out/{file.path}"))
    data[len(data) // 2] ^= 1
    bucket.put(f"out/{file.path}", bytes(data))
    with pytest.raises(DamagedError, match="is not as it was stored"):
        staging.describe(bucket.output(), file.path)


def test_a_server_that_answers_no_ranges_is_asked_for_the_whole_once(bucket, proxy, staged):
    file, rows = staged
    proxy.forget()
    proxy.inject = lambda request: Whole() if request.is_read else None
    found = contents.read_file(bucket.output(), file.path, ["path", "size"])
    assert found.equals(rows.select(["path", "size"]))
    assert [r.headers.get("range") is None for r in proxy.log if r.method == "GET"] == [False, True]


@pytest.mark.parametrize("fault", [Answer(503, "SlowDown"), Cut(), Reset()], ids=str)
def test_faults_that_pass_change_nothing(bucket, proxy, quick, staged, fault):
    file, rows = staged
    seen = set()

    def once(request):
        what = (request.method, request.headers.get("range"))
        return fault if request.is_read and not (what in seen or seen.add(what)) else None

    proxy.inject = once
    assert contents.read_file(bucket.output(), file.path, ["path"]).equals(rows.select(["path"]))


def test_what_cannot_be_read_is_one_sentence(bucket, proxy, staged):
    file, _ = staged
    with pytest.raises(TableError, match=r"^cannot read s3://.*/out/features/no-such"):
        contents.read_file(bucket.output(), "features/no-such.parquet", ["path"])
    proxy.inject = lambda request: Answer(403, "AccessDenied") if request.is_read else None
    with pytest.raises(TableError, match=r"^cannot read s3://") as caught:
        contents.read_file(bucket.output(), file.path, ["path"])
    assert "\n" not in str(caught.value)


def test_vectors_are_fetched_in_one_request_a_file_and_some_files_ahead(bucket, proxy, monkeypatch):
    rows = pa.table(
        {
            "path": [f"s3://fruits/{n:04}.jpg" for n in range(600)],
            "label": pa.nulls(600, pa.string()),
            "components": list_column(
                np.random.default_rng(3).random((600, 64), np.float32),
                COMPONENTS.field("components").type,
            ),
            "pca_id": ["p"] * 600,
        },
        schema=COMPONENTS,
    )
    output = bucket.output()
    parts = [rows.slice(start, 100) for start in range(0, 600, 100)]
    files = [
        staging.stage(output, "run", "components", f"{number}", part)
        for number, part in enumerate(parts)
    ]
    table = Tables(output).commit("run", "components", files).tables["components"]
    columns = ["path", "components"]
    for ahead in (contents.AHEAD_BYTES, 2 * files[0].n_bytes + 1000, 0):
        monkeypatch.setattr(contents, "AHEAD_BYTES", ahead)
        proxy.forget()
        batches = contents.batches_of(table, columns, 64)
        first = next(batches)
        n_ahead = min(6, max(1, ahead // files[0].n_bytes))
        assert len([r for r in proxy.log if r.method == "GET"]) <= n_ahead
        found = pa.concat_tables([first, *batches]).sort_by("path")
        assert found.equals(rows.select(columns))
        assert len([r for r in proxy.log if r.method == "GET"]) == 6


def test_a_file_of_other_length_than_its_log_says_is_noticed(bucket, staged):
    file, _ = staged
    table = SimpleNamespace(
        output=bucket.output(), files=(replace(file, n_rows=file.n_rows + 1),), name="features"
    )
    with pytest.raises(DamagedError, match="2000 rows, of which the table's log says 2001"):
        list(contents.batches_of(table, ["path", "features"]))
