"""Any sequence of commands, changes, kills and strangers' files leaves a result as it should be."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test

from machine.lifetime import Lifetime, lives
from machine.places import Disk


def on_a_disk(folder: Path) -> type[Lifetime]:
    numbers = itertools.count()

    class OnADisk(Lifetime):
        title = "on a disk"

        @staticmethod
        def new_place(among_images: bool) -> Disk:
            number = next(numbers)
            base, scratch = folder / f"{number}", folder / f"scratch{number}"
            return Disk(str(base), str(scratch), "photos/out" if among_images else "out")

    return OnADisk


@pytest.mark.long
def test_any_sequence_of_steps_leaves_a_result_true_and_others_files_alone(
    spark: Any, tmp_path: Path
) -> None:
    run_state_machine_as_test(on_a_disk(tmp_path), settings=lives(4, 12))


@pytest.mark.cluster
def test_so_does_any_long_one(spark: Any, tmp_path: Path) -> None:
    run_state_machine_as_test(on_a_disk(tmp_path), settings=lives(8, 30))
