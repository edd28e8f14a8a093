"""Whole runs on a network that fails: the same rows in the end, or one clear error."""

from __future__ import annotations

import pytest
from s3.proxy import Answer, Cut, Lost, Reset

from orchard.errors import OrchardError, SourceError, TableError
from orchard.result.compare import compare
from orchard.store.output import Output

pytestmark = pytest.mark.s3


def every(n, fault, *, of=lambda request: True):
    """That fault for every n-th of some requests."""
    seen: list[int] = []

    def inject(request):
        if not of(request):
            return None
        seen.append(request.number)  # of many at a time, each finds its own place
        return fault if (seen.index(request.number) + 1) % n == 0 else None

    return inject


@pytest.fixture
def undisturbed(s3_run, bucket, photos):
    """The result of a run without a fault."""
    bucket.upload(photos)
    s3_run(bucket.url("photos"), bucket.url("undisturbed"))
    return bucket.output("undisturbed")


@pytest.mark.parametrize(
    "inject",
    [
        every(3, Answer(500, "InternalError")),
        every(4, Answer(503, "SlowDown")),
        every(3, Cut(), of=lambda r: r.is_read and "_delta_log" not in r.key),
        every(5, Reset(), of=lambda r: r.method == "GET"),
        every(2, Reset(), of=lambda r: "/_staging/" in r.key and r.method == "PUT"),
        every(2, Lost(), of=lambda r: "/_staging/" in r.key and r.method == "PUT"),
        every(2, Lost(), of=lambda r: r.key.endswith("/_lock")),
        every(5, Lost(), of=lambda r: r.method == "GET"),
    ],
    ids=["500", "503", "cut", "reset", "reset-put", "lost-put", "lost-lock", "lost-get"],
)
def test_faults_that_pass_leave_no_trace(s3_run, bucket, proxy, undisturbed, inject):
    proxy.inject = inject
    s3_run(bucket.url("photos"), bucket.url("out"))
    proxy.inject = lambda request: None
    assert compare(undisturbed, bucket.output()).is_equal
    assert not [key for key in bucket.contents("out/") if "_staging" in key or "_lock" in key]


@pytest.mark.parametrize("fault", [Lost(), Reset()], ids=["lost", "reset"])
@pytest.mark.parametrize("table", ["features", "components"])
def test_a_commit_whose_answer_was_lost_doubles_no_row(
    s3_run, bucket, proxy, undisturbed, fault, table
):
    """Whether the first run knows what became of its commit or not, the second closes."""
    proxy.inject = every(
        2, fault, of=lambda r: f"{table}/_delta_log/0" in r.key and r.method == "PUT"
    )
    try:
        s3_run(bucket.url("photos"), bucket.url("out"))
    except TableError as error:
        assert "run the same command again" in str(error)
    proxy.inject = lambda request: None
    s3_run(bucket.url("photos"), bucket.url("out"))
    assert compare(undisturbed, bucket.output()).is_equal


def test_objects_gone_or_forbidden_become_rows_and_pass(s3_run, bucket, proxy, photos):
    bucket.upload(photos)

    def inject(request):
        if request.is_read and request.key == "photos/plum/0.png":
            return Answer(404, "NoSuchKey")
        if request.is_read and request.key == "photos/plum/1.png":
            return Answer(403, "AccessDenied")
        return None

    proxy.inject = inject
    result = s3_run(bucket.url("photos"), bucket.url("out"))
    reasons = {row["path"][-10:]: row["reason"] for row in result.errors().to_pylist()}
    assert reasons == {"plum/0.png": "vanished", "plum/1.png": "forbidden"}
    assert result.features().num_rows == 38
    proxy.inject = lambda request: None
    again = s3_run(bucket.url("photos"), bucket.url("out"))
    assert again.record["counts"]["retried"] == 2
    assert (again.features().num_rows, again.errors().num_rows) == (40, 0)


def test_a_bucket_that_goes_away_during_the_run_ends_it(s3_run, bucket, proxy, photos, tmp_path):
    bucket.upload(photos, under="photos/a")
    bucket.upload(photos, under="photos/b")
    proxy.inject = lambda r: Reset() if r.is_read and r.key > "photos/a/l" else None
    with pytest.raises(SourceError, match=r"^32 objects in a row cannot be read; s3://"):
        s3_run(bucket.url("photos"), tmp_path / "out")
    proxy.inject = lambda request: None
    assert s3_run(bucket.url("photos"), tmp_path / "out").features().num_rows == 80


def test_an_output_that_goes_away_during_the_run_ends_it(s3_run, bucket, proxy, photos):
    proxy.inject = lambda r: Reset() if r.method == "PUT" and "_staging" in r.key else None
    with pytest.raises(OrchardError, match=r"^cannot write s3://.*part-") as caught:
        s3_run(photos, bucket.url("out"))
    assert isinstance(caught.value, TableError)
    proxy.inject = lambda request: None
    assert s3_run(photos, bucket.url("out")).features().num_rows == 40
    assert Output.at(bucket.url("out"), bucket.storage).paths("_staging") == []
