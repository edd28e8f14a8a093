"""One run at a time on an OUTPUT; who comes second is told so and disturbs nothing."""

from __future__ import annotations

import pytest

from cluster.results import assert_refused, assert_whole

pytestmark = pytest.mark.cluster  # a quick one is in test_killed_driver.py


def test_the_second_is_refused_and_the_first_completes(
    where, start, start_held, gate, pictures, tmp_path, undisturbed
):
    output = tmp_path / "out"
    first = start_held(pictures, output, where=where)  # else it might be done before the second
    second = start(pictures, output, where=where)
    assert_refused(second, output, by=first)
    gate.open()
    assert first.wait() == 0, first.output
    assert_whole(output, undisturbed)
