from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from corpus import fuzz
from corpus.mutate import KINDS, Mutation, mutated, png_checksums_repaired
from hypothesis import given, settings
from hypothesis import strategies as st

from orchard.images.decode import Pixels, decode, sniff
from orchard.records import Failure, Reason

N_FILES = 6000
MAX_PIXELS = 1_000_000

MAGICS = (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"MM\0*", b"BM")
mutations = st.lists(
    st.builds(
        Mutation,
        st.sampled_from(KINDS),
        st.integers(0, 10_000),
        st.integers(0, 300),
        st.integers(0, 0xFFFF),
    ),
    min_size=1,
    max_size=5,
)


def check(data: bytes) -> None:
    result = decode(data, 8, max_pixels=MAX_PIXELS)
    if isinstance(result, Pixels):
        assert sniff(data) is not None
        assert result.array.shape == (8, 8, 3)
        assert result.array.dtype == "uint8"
        assert 0 < result.width * result.height <= MAX_PIXELS
    else:
        assert isinstance(result, Failure)
        assert isinstance(result.reason, Reason)


def test_no_damage_crashes_hangs_or_raises(tmp_path: Path) -> None:
    at = tmp_path / "at"
    command = [sys.executable, fuzz.__file__, str(N_FILES), "0", str(MAX_PIXELS)]
    done = subprocess.run(
        command, env=os.environ | {"FUZZ_AT": str(at)}, capture_output=True, text=True, check=False
    )
    last = at.read_text().split()[0]
    assert done.returncode == 0, f"damaged_file(0, {last}): {done.stderr[-2000:]}"
    outcomes = json.loads(done.stdout)
    assert sum(outcomes.values()) == N_FILES
    assert set(outcomes) <= {"pixels", *(reason.value for reason in Reason)}
    # Damage reached the decoders, rather than stopping at the first check.
    for often in ("pixels", "truncated", "corrupt"):
        assert outcomes[often] > N_FILES / 50


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(MAGICS), st.binary(max_size=400))
def test_any_bytes_give_pixels_or_a_reason(magic: bytes, tail: bytes) -> None:
    check(magic + tail)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 10_000), st.integers(0, 10_000), mutations)
def test_any_damage_gives_pixels_or_a_reason(
    which: int, other: int, damage: list[Mutation]
) -> None:
    whole = fuzz.seeds()
    data = whole[which % len(whole)]
    for mutation in damage:
        data = mutated(data, mutation, whole[other % len(whole)])
    check(data)
    check(png_checksums_repaired(data))
