"""A file that would keep a decoder busy for a quarter of an hour costs a run half a minute."""

from __future__ import annotations

import shutil

import pytest
from corpus.costly import overlapping_strips

from orchard.images.apart import SECONDS
from orchard.records import Reason

pytestmark = pytest.mark.cluster


def test_a_run_goes_on_past_an_image_that_takes_too_long(run, photos, tmp_path):
    source = shutil.copytree(photos, tmp_path / "in")
    (source / "plum/costly.tif").write_bytes(overlapping_strips())
    result = run(source, tmp_path / "out")
    (error,) = result.errors().to_pylist()
    assert error["path"].endswith("plum/costly.tif")
    assert (error["reason"], error["detail"]) == (
        Reason.TOO_COSTLY.value, f"takes more than {SECONDS:g} s of a core to decode",
    )  # fmt: skip
    assert result.features().num_rows == 40
    assert run(source, tmp_path / "out").record["counts"]["known_errors"] == 1
