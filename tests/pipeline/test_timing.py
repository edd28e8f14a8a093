"""How many slots a local master has, on systems that say which cores a process has or do not."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchard import machine
from orchard.config import RunConfig
from orchard.errors import SourceError
from orchard.images.source import Selection, list_images
from orchard.machine import available_cores
from orchard.model import load_model
from orchard.pipeline import timing
from orchard.pipeline.timing import Estimate
from orchard.records import LISTING
from orchard.storage import DEFAULT


@pytest.mark.parametrize(
    ("master", "slots"),
    [("local", 1), ("local[3]", 3), ("local[*]", available_cores()), ("yarn", None)],
)
def test_slots_are_those_of_the_master(master: str, slots: int | None) -> None:
    config = RunConfig(sources=("a",), output="b", master=master)
    found = Estimate.measure(LISTING.empty_table(), load_model("fruit", 32), config, 0)
    assert (found.slots, found.seconds) == (slots, 0)


def test_where_the_system_does_not_say_it_is_all_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr(machine, "os", SimpleNamespace(cpu_count=lambda: 7))
    assert available_cores() == 7


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heaps")
@pytest.mark.parametrize(("given", "at_most"), [({}, 2), ({"MALLOC_ARENA_MAX": "5"}, 5)])
def test_threads_share_two_heaps_unless_the_environment_says_how_many(
    given: dict[str, str], at_most: int
) -> None:
    program = """if True:
        import ctypes, threading
        from orchard.machine import few_arenas
        few_arenas()
        together = threading.Barrier(8)
        def work():
            together.wait()
            ctypes.CDLL(None).malloc(100_000)
            together.wait()
        threads = [threading.Thread(target=work) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        libc = ctypes.CDLL(None)
        libc.fdopen.restype = ctypes.c_void_p
        out = ctypes.c_void_p(libc.fdopen(1, b"w"))
        libc.malloc_info(0, out)
        libc.fflush(out)
    """
    environment = {k: v for k, v in os.environ.items() if k != "MALLOC_ARENA_MAX"} | given
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("<heap nr=") == at_most


def test_what_surrounds_the_embedding_is_scaled_by_the_machines_pace(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = list_images((str(photos),), Selection(), DEFAULT)
    model = load_model("fruit", 32)

    def seconds(pace: float, report: bool, findings: bool = True) -> float:
        monkeypatch.setattr(timing, "_slowness", lambda *_: pace)
        config = RunConfig(
            sources=("a",), output="b", master="local[2]", report=report, findings=findings
        )
        found = Estimate.measure(listing.images, model, config, 20_000)
        return found.seconds - found.images_per_second**-1 * 40 / min(2, available_cores())

    rest = seconds(1, report=True)
    fitting, findings, report = 1.0, 1.5 + 2.3, 1.0 + 0.4 + 9.0
    assert rest == pytest.approx(timing.OVERHEAD_SECONDS + fitting + findings + report)
    assert seconds(3, report=True) == pytest.approx(3 * rest)
    assert seconds(1, report=False) == pytest.approx(rest - report)
    assert seconds(1, report=True, findings=False) == pytest.approx(rest - findings)


def test_the_pace_is_measured_on_as_many_cores_as_the_run_takes() -> None:
    with ThreadPoolExecutor(2) as pool:
        alone = timing._slowness(pool, 1)
        crowded = timing._slowness(pool, 8)
    assert 0 < alone < crowded


@pytest.mark.parametrize("n", [1, 3])
def test_fewer_images_than_slots_are_timed_as_well(photos: Path, n: int) -> None:
    listing = list_images((str(photos),), Selection(limit=n), DEFAULT)
    config = RunConfig(sources=("a",), output="b", master="local[2]")
    found = Estimate.measure(listing.images, load_model("fruit", 32), config, n)
    assert found.n_timed == n
    assert found.images_per_second > 0


def test_a_failure_while_images_are_timed_is_told(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = list_images((str(photos),), Selection(), DEFAULT)

    def failing(images: object, **_: object) -> None:
        raise SourceError("out of reach")

    monkeypatch.setattr(timing, "extract", failing)
    config = RunConfig(sources=("a",), output="b", master="local[2]")
    with pytest.raises(SourceError, match="out of reach"):
        Estimate.measure(listing.images, load_model("fruit", 32), config, 40)
