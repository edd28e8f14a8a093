"""One writer at a time on an OUTPUT in a bucket, whatever happens to the others."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from s3.proxy import PATIENCE, Lost, Reset

from orchard.errors import SourceError, TableError
from orchard.store import lock

LOCK = "out/_lock"


@pytest.fixture
def lease(monkeypatch):
    """Seconds of the lease and of its renewal."""

    def lease(seconds: float, renewal: float = 0.05) -> None:
        monkeypatch.setattr(lock, "LEASE_SECONDS", seconds)
        monkeypatch.setattr(lock, "RENEW_SECONDS", renewal)

    return lease


@pytest.fixture
def looks(monkeypatch):
    """looks(n): n threads watch a lock by a clock of their own, which moves by a second a look.

    They look when all have come to look. Each finds its number of looks as `.n` of what returns.
    """

    def looks(n: int) -> threading.local:
        own, together = threading.local(), threading.Barrier(n, timeout=PATIENCE)

        def sleep(_: float) -> None:
            own.n = getattr(own, "n", 0) + 1
            together.wait()

        clock = SimpleNamespace(sleep=sleep, monotonic=lambda: getattr(own, "n", 0), time=time.time)
        monkeypatch.setattr(lock, "time", clock)  # that module's alone: other threads sleep on
        return own

    return looks


def race(output, n):
    """n writers at once; those that got the lock hold it until all have tried."""
    start, tried = threading.Barrier(n), threading.Barrier(n)

    def attempt(_):
        start.wait()
        try:
            with output.lock():
                tried.wait()
        except TableError as error:
            tried.wait()
            return str(error)
        return "held"

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(attempt, range(n)))


def wait_for_puts(proxy, n):
    """Return when that many puts of the lock have been answered and one more has come in."""
    arrived = threading.Event()

    def inject(request):
        if proxy.count("PUT")[LOCK] > n:
            arrived.set()

    proxy.inject = inject
    assert arrived.wait(PATIENCE)


def test_a_second_writer_is_refused_and_told_who_writes(bucket, lease):
    lease(PATIENCE)
    with bucket.output().lock():
        refused = (
            rf"^{bucket.url('out')} is being written by process \d+ on \S+; wait for it to end"
        )
        with pytest.raises(TableError, match=refused), bucket.output().lock():
            pass
    assert bucket.contents() == {}, "no lock stays"
    with bucket.output().lock():
        pass


def test_one_of_many_writers_gets_it(bucket, lease):
    lease(PATIENCE)
    outcomes = race(bucket.output(), 4)
    assert outcomes.count("held") == 1
    assert sum("is being written by" in outcome for outcome in outcomes) == 3
    assert bucket.contents() == {}


@pytest.mark.parametrize("n", [1, 4])
def test_a_dead_writers_lock_is_taken_over_by_one(bucket, lease, looks, n):
    """All watch the dead one's to the end, none that of who took it over."""
    lease(10)
    looks(n)
    bucket.put(LOCK, b"process 1 on a machine that is gone")
    outcomes = race(bucket.output(), n)
    assert outcomes.count("held") == 1
    assert sum("is being written by" in outcome for outcome in outcomes) == n - 1
    assert bucket.contents() == {}


def test_a_dead_writers_lock_is_respected_for_its_lease(bucket, lease, looks):
    """By the clock that the lock itself reads."""
    lease(30)
    own = looks(1)
    bucket.put(LOCK, b"process 1 on a machine that is gone")
    with bucket.output().lock():
        assert own.n == 30


def test_a_failed_run_leaves_no_lock(bucket):
    with pytest.raises(SourceError), bucket.output().lock():
        raise SourceError("no image")
    assert bucket.contents() == {}


def test_the_reason_of_a_failure_survives_a_server_that_is_gone(bucket, proxy, quick):
    with pytest.raises(SourceError, match="gone"), bucket.output().lock():
        proxy.inject = lambda request: Reset()
        raise SourceError("the server is gone")


def test_a_lock_whose_answer_was_lost_is_held_at_once(bucket, proxy, quick, lease):
    lease(3600, renewal=3600)
    proxy.inject = lambda request: Lost() if request.number == 1 else None
    with bucket.output().lock():
        assert [(r.method, r.headers.get("if-none-match")) for r in proxy.log] == [
            ("PUT", "*"),
            ("PUT", "*"),
            ("GET", None),
        ]


def test_a_renewal_whose_answer_was_lost_does_not_end_the_lease(bucket, proxy, lease):
    lease(3600)
    looked = threading.Event()

    def inject(request):
        if request.method == "GET":
            looked.set()
        return Lost() if request.method == "PUT" and proxy.count("PUT")[LOCK] == 2 else None

    proxy.inject = inject
    with bucket.output().lock():
        assert looked.wait(PATIENCE), "the renewal after it looks what became of the lost one"
        wait_for_puts(proxy, 3)
        before = bucket.read(LOCK)
        wait_for_puts(proxy, proxy.count("PUT")[LOCK] + 1)
        assert bucket.read(LOCK) != before, "it is renewed again"
    assert bucket.contents() == {}


def test_a_writer_that_was_taken_over_leaves_the_new_ones_lock(bucket, proxy, lease):
    """Which it meets at its next renewal."""
    lease(3600)
    looked = threading.Event()

    def inject(request):
        if request.method == "PUT" and proxy.count("PUT")[LOCK] == 2:
            bucket.put(LOCK, b"process 2 on another machine")
        if request.method == "GET":
            looked.set()

    proxy.inject = inject
    with bucket.output().lock():
        assert looked.wait(PATIENCE)
    assert bucket.read(LOCK) == b"process 2 on another machine"
