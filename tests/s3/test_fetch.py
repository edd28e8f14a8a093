"""Reading objects: one GET each, many at once, bounded memory; no fault turns into wrong bytes."""

from __future__ import annotations

import numpy as np
import pytest
from s3.proxy import Answer, Cut, Lost, Reset, Stall, Together, Whole

from orchard.errors import SourceError
from orchard.images import source
from orchard.records import Failure, Reason
from orchard.storage.access import RETRIES, TIMEOUTS

BODY = np.random.default_rng(3).bytes(200_000)


def fill(bucket, n, data=BODY):
    for number in range(n):
        bucket.put(f"photos/{number:03d}.jpg", data)


def nth(n, fault):
    """That fault for the n-th read of each object, no other."""
    seen: dict[str, int] = {}

    def inject(request):
        if request.is_read:
            seen[request.key] = seen.get(request.key, 0) + 1
            if seen[request.key] == n:
                return fault
        return None

    return inject


def test_an_image_costs_one_get_and_no_head(bucket, proxy):
    fill(bucket, 50, b"x")
    bucket.fetch("photos")
    reads = proxy.count("GET", under="photos/")
    assert len(reads) == 50
    assert set(reads.values()) == {1}
    assert not proxy.count("HEAD")
    assert len(proxy.log) == 50 + 2, "two requests list a folder of up to a thousand"


def test_many_requests_are_in_flight(bucket, proxy):
    fill(bucket, 40, b"x")
    proxy.inject = Together(source.IN_FLIGHT, "photos/")
    assert len(bucket.fetch("photos")) == 40
    assert proxy.peak == source.IN_FLIGHT == 32


def test_bytes_in_flight_are_bounded(bucket, proxy, monkeypatch):
    """What was asked for and not yet taken never exceeds the bound by more than one object."""
    monkeypatch.setattr(source, "BYTES_IN_FLIGHT", 1_000_000)
    fill(bucket, 30)
    proxy.inject = Together(5, "photos/")
    asked, peak = set(), 0
    read = source.read

    def counted(path, storage):
        asked.add(path)
        return read(path, storage)

    monkeypatch.setattr(source, "read", counted)
    images = bucket.list("photos").images
    for n_taken, content in enumerate(source.fetch(images, bucket.storage)):
        assert content == BODY
        peak = max(peak, (len(asked) - n_taken) * len(BODY))
    assert 1_000_000 <= peak <= 1_000_000 + len(BODY)


def test_an_object_larger_than_the_bound_is_fetched_alone(bucket, monkeypatch):
    monkeypatch.setattr(source, "BYTES_IN_FLIGHT", 10_000)
    fill(bucket, 3)
    assert list(bucket.fetch("photos").values()) == [BODY] * 3


def test_an_object_over_the_cap_is_not_read(bucket):
    fill(bucket, 1)
    failure = source.read(bucket.url("photos/000.jpg"), bucket.storage, max_bytes=1000)
    assert failure == Failure(Reason.TOO_MANY_BYTES, "200000 bytes; at most 1000 are read")


@pytest.mark.parametrize(
    "fault",
    [Answer(500, "InternalError"), Answer(503, "SlowDown"), Cut(), Reset(), Lost()],
    ids=lambda fault: getattr(fault, "code", type(fault).__name__),
)
def test_a_fault_that_passes_costs_a_request_and_no_byte(bucket, proxy, quick, fault):
    fill(bucket, 10)
    proxy.inject = nth(1, fault)
    assert bucket.fetch("photos") == {f"photos/{n:03d}.jpg": BODY for n in range(10)}
    assert set(proxy.count("GET", under="photos/").values()) == {2}


def test_a_body_that_stalls_is_not_waited_for(bucket, proxy, quick, monkeypatch):
    """Of few objects: a server that is only busy answers far sooner than after a second."""
    monkeypatch.setitem(TIMEOUTS, "read_timeout", "1s")
    fill(bucket, 3)
    proxy.inject = nth(1, Stall())
    assert bucket.fetch("photos") == {f"photos/{n:03d}.jpg": BODY for n in range(3)}


def test_what_was_cut_is_read_on_from_there(bucket, proxy, quick):
    fill(bucket, 1)
    proxy.inject = nth(1, Cut())
    assert bucket.fetch("photos") == {"photos/000.jpg": BODY}
    ranges = [request.headers.get("range") for request in proxy.log if request.is_read]
    assert ranges == [None, "bytes=100000-199999"]


@pytest.mark.parametrize("fault", [Cut(), Whole()], ids=lambda f: type(f).__name__)
def test_part_of_an_object_is_never_taken_for_the_whole(bucket, proxy, quick, fault):
    """Whole: a server that ignores ranges would give the first half twice."""
    fill(bucket, 1)
    first = nth(1, Cut())
    proxy.inject = lambda request: first(request) or (fault if request.is_read else None)
    (failure,) = bucket.fetch("photos").values()
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.IO_ERROR


def test_an_object_that_is_gone_or_forbidden_is_a_row_of_its_own(bucket, proxy):
    fill(bucket, 5, b"x")
    images = bucket.list("photos").images
    bucket.client.delete_object(Bucket=bucket.name, Key="photos/001.jpg")
    denied = Answer(403, "AccessDenied")
    proxy.inject = lambda request: denied if request.key == "photos/003.jpg" else None
    found = list(source.fetch(images, bucket.storage))
    assert found[0] == found[2] == found[4] == b"x"
    assert found[1] == Failure(Reason.VANISHED, "no such object")
    assert found[3].reason is Reason.FORBIDDEN
    assert "AccessDenied" in found[3].detail
    assert "\n" not in found[3].detail
    assert set(proxy.count("GET", under="photos/").values()) == {1}, "neither is worth a retry"


def test_a_fault_that_stays_is_given_up_after_the_retries(bucket, proxy, quick):
    fill(bucket, 2, b"x")
    broken = Answer(500, "InternalError")
    proxy.inject = lambda request: broken if request.key == "photos/000.jpg" else None
    found = bucket.fetch("photos")
    assert found["photos/000.jpg"].reason is Reason.IO_ERROR
    assert found["photos/001.jpg"] == b"x"
    assert proxy.count("GET")["photos/000.jpg"] == 1 + RETRIES["max_retries"]


def test_a_storage_that_fails_for_everything_ends_the_run(bucket, proxy, quick):
    """Else a million images would each wait for their retries."""
    fill(bucket, 100, b"x")
    proxy.inject = lambda request: Reset() if request.is_read else None
    with pytest.raises(SourceError, match=r"^32 objects in a row cannot be read; s3://.*031.jpg: "):
        bucket.fetch("photos")
    assert len(proxy.count("GET", under="photos/")) < 70


def test_scattered_faults_do_not(bucket, proxy, quick):
    fill(bucket, 70, b"x")
    proxy.inject = lambda r: Reset() if r.is_read and not r.key.endswith("0.jpg") else None
    found = list(bucket.fetch("photos").values())
    assert found.count(b"x") == 7
    assert sum(isinstance(content, Failure) for content in found) == 63
