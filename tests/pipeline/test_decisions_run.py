"""A run by somebody's decisions: what is dropped leaves the tables, what is relabelled stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchard.errors import SourceError
from orchard.result import Result
from orchard.store.output import Output

Run = Callable[..., Result]


@pytest.fixture
def output(first_run: Result, tmp_path: Path) -> Output:
    return Output.at(shutil.copytree(first_run.output, tmp_path / "out"))


def test_what_is_dropped_moves_to_gone_and_comes_back_unread_with_the_next_run_without(
    run: Run, first_run: Result, source: Path, output: Output, tmp_path: Path
) -> None:
    drop, relabel = source / "plum/3.png", source / "lemon/0.png"
    decided = tmp_path / "decisions.csv"
    decided.write_text(
        f"path,decision,label\n{drop},drop,\nlemon/0.png,relabel,quince\n{source}/lemon/1.png,keep,\n"
    )
    less = run(source, output.root, exclude_from=str(decided), labels=str(decided))
    counts = less.record["counts"]
    assert (counts["excluded"], counts["listed"], counts["embedded"]) == (1, 39, 0)
    assert less.gone()["path"].to_pylist() == [str(drop)]
    for table in (less.features(), less.components()):
        labels = dict(zip(table["path"].to_pylist(), table["label"].to_pylist(), strict=True))
        assert str(drop) not in labels
        assert labels.pop(str(relabel)) == "quince", "by its path below SOURCE"
        assert all(label == Path(path).parent.name for path, label in labels.items())
    assert str(drop) not in less.findings()["path"].to_pylist()
    again = run(source, output.root, exclude_from=str(decided), labels=str(decided))
    assert again.record["counts"]["excluded"] == 1
    assert again.record["counts"]["went"] == 0
    back = run(source, output.root)
    assert back.record["counts"]["returned"] == 1
    assert back.record["counts"]["embedded"] == 0
    assert back.features().equals(first_run.features())


def test_a_list_that_leaves_nothing_is_refused_before_anything_changes(
    run: Run, first_run: Result, source: Path, output: Output, tmp_path: Path
) -> None:
    (tmp_path / "all.txt").write_text("\n".join(map(str, source.rglob("*.png"))))
    with pytest.raises(SourceError, match=r"--exclude-from .*all.txt: it names every image"):
        run(source, output.root, exclude_from=str(tmp_path / "all.txt"))
    assert Result.open(output.root).features().equals(first_run.features())
