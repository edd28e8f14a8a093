"""How many slots a local master has, on systems that say which cores a process has or do not."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from orchard import machine
from orchard.config import RunConfig
from orchard.machine import available_cores
from orchard.model import load_model
from orchard.pipeline.timing import Estimate
from orchard.records import LISTING


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
