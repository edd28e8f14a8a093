"""Whatever lies in the folder: each file ends as a feature row or an error row, rightly named."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from corpus import build

import orchard
from orchard.records import Reason


def test_every_file_of_the_corpus_ends_in_one_table(
    run: Callable[..., orchard.Result], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("orchard.pipeline.planning.MIN_IMAGES", 20)  # good and bad in many tasks
    expected = {str(path): wanted.reason for path, wanted in build(tmp_path / "in").items()}
    latin = tmp_path / "in" / os.fsdecode(b"caf\xe9.jpg")
    latin.write_bytes(b"")
    (tmp_path / "in/broken link.jpg").symlink_to("nowhere")
    (tmp_path / "in/.hidden.jpg").write_bytes(b"")
    expected[f"{tmp_path}/in/caf\\xe9.jpg"] = Reason.BAD_NAME
    expected[f"{tmp_path}/in/broken link.jpg"] = Reason.VANISHED

    result = run(tmp_path / "in", tmp_path / "out")

    good = sorted(path for path, reason in expected.items() if reason is None)
    assert result.features()["path"].to_pylist() == good
    assert result.components()["path"].to_pylist() == good
    errors = result.errors()
    found = zip(errors["path"].to_pylist(), errors["reason"].to_pylist(), strict=True)
    assert list(found) == sorted(
        (path, reason.value) for path, reason in expected.items() if reason is not None
    )
    assert all(errors["detail"].to_pylist())
    assert not any(re.search(r" at 0x|Traceback", text) for text in errors["detail"].to_pylist())
    counts = result.record["counts"]
    assert counts["listed"] == len(expected) == counts["embedded"] + counts["errors"]
    by_reason = Counter(errors["reason"].to_pylist())
    assert result.record["errors_by_reason"] == dict(by_reason)

    again = run(tmp_path / "in", tmp_path / "out").record["counts"]
    assert again["already_there"] == len(good)
    assert again["known_errors"] + again["retried"] == len(expected) - len(good)
