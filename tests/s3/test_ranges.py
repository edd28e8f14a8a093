"""Of a table's file in a bucket, the columns asked for are fetched, and no others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from s3.proxy import Answer, Cut, Reset, Whole

from orchard.errors import DamagedError, TableError
from orchard.records import FEATURES, list_column
from orchard.store import tables

N_ROWS = 200


@pytest.fixture
def staged(bucket):
    vectors = np.random.default_rng(3).random((N_ROWS, 1280), np.float32)
    columns = {
        "path": [f"s3://fruits/{n:03}.jpg" for n in range(N_ROWS)],
        "size": list(range(N_ROWS)),
        "features": list_column(vectors, FEATURES.field("features").type),
    }
    rows = pa.table(
        {field.name: columns.get(field.name, pa.nulls(N_ROWS, field.type)) for field in FEATURES},
        schema=FEATURES,
    )
    return tables.stage(bucket.output(), "run", "features", "0", rows), rows


def bytes_read(proxy):
    ranges = [r.headers["range"] for r in proxy.log if r.method == "GET"]
    limits = [tuple(map(int, text.removeprefix("bytes=").split("-"))) for text in ranges]
    return sum(stop - start + 1 for start, stop in limits)


def test_keys_are_read_without_the_features(bucket, proxy, staged):
    file, rows = staged
    proxy.forget()
    found = tables.read_file(bucket.output(), file.path, ["path", "size"])
    assert found.equals(rows.select(["path", "size"]))
    assert file.n_bytes > 500_000
    assert bytes_read(proxy) < 100_000


def test_a_staged_file_is_described_after_one_look_at_all_of_it(bucket, proxy, staged):
    file, _ = staged
    proxy.forget()
    assert tables.describe(bucket.output(), file.path) == file
    assert proxy.count("GET") == {f"out/{file.path}": 1}
    data = bytearray(bucket.read(f"out/{file.path}"))
    data[len(data) // 2] ^= 1
    bucket.put(f"out/{file.path}", bytes(data))
    with pytest.raises(DamagedError, match="is not as it was stored"):
        tables.describe(bucket.output(), file.path)


def test_a_server_that_answers_no_ranges_is_asked_for_the_whole_once(bucket, proxy, staged):
    file, rows = staged
    proxy.forget()
    proxy.inject = lambda request: Whole() if request.is_read else None
    found = tables.read_file(bucket.output(), file.path, ["path", "size"])
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
    assert tables.read_file(bucket.output(), file.path, ["path"]).equals(rows.select(["path"]))


def test_what_cannot_be_read_is_one_sentence(bucket, proxy, staged):
    file, _ = staged
    with pytest.raises(TableError, match=r"^cannot read s3://.*/out/features/no-such"):
        tables.read_file(bucket.output(), "features/no-such.parquet", ["path"])
    proxy.inject = lambda request: Answer(403, "AccessDenied") if request.is_read else None
    with pytest.raises(TableError, match=r"^cannot read s3://") as caught:
        tables.read_file(bucket.output(), file.path, ["path"])
    assert "\n" not in str(caught.value)
