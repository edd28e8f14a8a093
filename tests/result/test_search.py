"""`orchard search` and `Result.searcher`: the nearest, exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import orchard
from orchard.cli import main
from orchard.errors import SourceError
from orchard.records import list_column
from orchard.result.neighbours import Searcher
from orchard.store.output import Output


def searcher_of(vectors: Any, paths: list[str] | None = None) -> Searcher:
    names = paths or [f"/photos/{number}.jpg" for number in range(len(vectors))]
    columns = {
        "path": names,
        "label": pa.nulls(len(names), pa.string()),
        "components": list_column(vectors.astype(np.float32), pa.list_(pa.float32())),
    }
    nothing: Any = None
    return Searcher(Output("/result", nothing), {}, nothing, pa.table(columns))


@given(st.integers(2, 60), st.integers(1, 70), st.integers(0, 2**32 - 1), st.booleans())
def test_the_nearest_are_exact_however_near_they_are_to_each_other(
    n: int, k: int, seed: int, alike: bool
) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 8)).astype(np.float32)
    if alike:  # cosines that single precision does not tell apart
        vectors = vectors[:1] + vectors * np.float32(1e-3)
    found = searcher_of(vectors).like("0.jpg", k)
    exact = vectors.astype(np.float64)
    cosines = exact @ exact[0] / np.linalg.norm(exact, axis=1) / np.linalg.norm(exact[0])
    wanted = sorted(range(1, n), key=lambda row: -cosines[row])[:k]
    assert found["path"].to_pylist() == [f"/photos/{row}.jpg" for row in wanted]
    np.testing.assert_allclose(found["similarity"], cosines[wanted], rtol=0, atol=1e-12)


def test_a_vector_without_direction_is_like_none() -> None:
    found = searcher_of(np.array([[1, 0], [0, 0], [2, 1]])).like("0.jpg", 2)
    assert found["similarity"].to_pylist() == [pytest.approx(2 / 5**0.5), 0]


def test_the_end_of_a_path_is_enough_where_one_image_has_it() -> None:
    searcher = searcher_of(np.eye(3), ["/a/red/1.jpg", "/b/red/1.jpg", "/b/blue/11.jpg"])
    assert searcher.like("blue/11.jpg", 5).num_rows == 2
    with pytest.raises(SourceError, match=r"^red/1\.jpg: 2 images have it, such as /a/red/1"):
        searcher.like("red/1.jpg", 1)
    with pytest.raises(SourceError, match=r"^1\.jp: /result holds no such image"):
        searcher.like("1.jp", 1)


def search(*words: str) -> Result:
    return CliRunner().invoke(main, ["search", *words])


def test_files_and_images_of_the_result_are_searched_for(
    result: Path, odd_photos: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes((odd_photos / "lemon" / "3.png").read_bytes())
    done = search(str(result), str(copy), "--like", "lemon/3.png", "-k", "2")
    assert done.exit_code == 0, done.output
    first, *_, last = done.stdout.splitlines()
    assert first == str(copy)
    assert done.stdout.splitlines()[1] == f"   1.000  lemon  {odd_photos / 'lemon' / '3.png'}"
    (nearest,) = orchard.open(result).nearest(odd_photos / "lemon" / "3.png", 2).to_pylist()[1:]
    assert last.endswith(nearest["path"])


def test_what_cannot_be_read_or_found_is_told_beside_the_others(
    result: Path, odd_photos: Path
) -> None:
    image = str(odd_photos / "lemon" / "3.png")
    done = search(str(result), "none.jpg", image, "--like", "none", "--json")
    assert done.exit_code == 7
    missing, there, unknown = map(json.loads, done.stdout.splitlines())
    assert missing["error"].startswith("none.jpg: vanished")
    assert len(there["nearest"]) == 12
    assert unknown["error"].endswith("holds no such image")
    assert "2 of 3 pictures could not be read or found" in done.stderr


def test_a_search_without_a_picture_says_what_to_give(result: Path) -> None:
    done = search(str(result))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "give an IMAGE, --like PATH, or --from-file" in done.stderr


def test_a_search_among_a_results_own_images_starts_no_spark(
    result: Path, odd_photos: Path
) -> None:
    program = (
        "import sys, orchard;"
        f"orchard.open({str(result)!r}).nearest({str(odd_photos / 'lemon' / '3.png')!r});"
        "print(sorted({'pyspark'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
