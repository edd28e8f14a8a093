from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from corpus import Expected, bad_files, build, good_files, named_files

from orchard.images.decode import Pixels, decode
from orchard.records import Failure

SIZE = 32
GOOD, BAD = good_files(), bad_files()


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_gives_its_picture(name: str) -> None:
    data, expected = GOOD[name]
    result = decode(data, SIZE)
    assert isinstance(result, Pixels), result
    assert (result.width, result.height) == (expected.width, expected.height)
    assert result.array.shape == (SIZE, SIZE, 3)
    assert result.array.dtype == np.uint8
    if expected.corners is not None:
        inset = [(2, 2), (2, -3), (-3, 2), (-3, -3)]
        corners = np.array([result.array[at] for at in inset], int)
        np.testing.assert_allclose(corners, expected.corners, rtol=0, atol=expected.tolerance)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gives_its_reason(name: str) -> None:
    data, expected = BAD[name]
    result = decode(data, SIZE)
    assert isinstance(result, Failure)
    assert result.reason is expected.reason, result.detail
    assert result.detail
    assert " at 0x" not in result.detail  # an address would differ from run to run


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def built(corpus: Path) -> dict[Path, Expected]:
    return build(corpus)


def test_the_corpus_is_built_the_same_each_time(
    built: dict[Path, Expected], corpus: Path, tmp_path: Path
) -> None:
    again = build(tmp_path)
    assert len(built) == len(GOOD) + len(BAD) + len(named_files())
    for one, other in zip(built, again, strict=True):
        assert one.relative_to(corpus) == other.relative_to(tmp_path)
        assert one.read_bytes() == other.read_bytes()
    assert list(built.values()) == list(again.values())


def test_what_was_written_decodes_as_expected(built: dict[Path, Expected]) -> None:
    for path, expected in built.items():
        result = decode(path.read_bytes(), SIZE)
        reason = result.reason if isinstance(result, Failure) else None
        assert reason is expected.reason, path
