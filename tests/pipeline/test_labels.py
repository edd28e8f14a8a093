"""Labels need no pixels: a run that gives others makes the tables right, and reads no image."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from orchard.config import RunConfig
from orchard.errors import TableError
from orchard.result import Result
from orchard.store import models
from orchard.store.output import Output
from orchard.store.tables import Tables

Run = Callable[..., Result]
FIRST_LETTER = "/([^/])[^/]*/[^/]*$"


@pytest.fixture(scope="module")
def first_run(run: Run, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """With an error, and an image that went."""
    folder = tmp_path_factory.mktemp("labels")
    source = shutil.copytree(photos, folder / "photos")
    (source / "plum/text.png").write_text("no picture")
    run(source, folder / "out", report=True)
    (source / "plum/3.png").unlink()
    return run(source, folder / "out", report=True)


@pytest.fixture
def source(first_run: Result) -> Path:
    return Path(first_run.output).with_name("photos")


@pytest.fixture
def output(first_run: Result, tmp_path: Path) -> Output:
    return Output.at(shutil.copytree(first_run.output, tmp_path / "out"))


@pytest.fixture
def no_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: RunConfig) -> None:
        raise AssertionError("Spark is started")

    monkeypatch.setattr("orchard.spark.session.spark_session", refuse)


def labels(table: pa.Table) -> dict[str, str | None]:
    return dict(zip(table["path"].to_pylist(), table["label"].to_pylist(), strict=True))


def expected(table: pa.Table) -> dict[str, str | None]:
    return {path: path.split("/")[-2][0] for path in table["path"].to_pylist()}


def assert_relabelled(result: Result) -> None:
    for table in (result.features(), result.components(), result.errors(), result.gone()):
        assert table.num_rows
        assert labels(table) == expected(table)


def others(table: pa.Table) -> list[dict[str, Any]]:
    return table.drop_columns("label").to_pylist()


def test_another_label_is_set_in_every_table_without_spark(
    run, first_run, source, output, no_spark
):
    before = Result.open(output.root)
    report = Path(output.root, "report/index.html").read_bytes()
    again = run(source, output.root, label=FIRST_LETTER, report=True)
    assert_relabelled(again)
    counts = again.record["counts"]
    assert (counts["relabelled"], counts["already_there"], counts["embedded"]) == (41, 39, 0)
    for name in ("features", "components", "errors", "gone"):
        table = getattr(Result.open(first_run.output), name)()
        assert others(getattr(again, name)()) == others(table), "nothing else has changed"
    assert Path(output.root, "report/index.html").read_bytes() != report
    assert Result.open(output.root).record["run_id"] == again.record["run_id"]
    assert before.record["run_id"] != again.record["run_id"]
    once_more = run(source, output.root, label=FIRST_LETTER, report=True).record["counts"]
    assert (once_more["relabelled"], once_more["already_there"]) == (0, 39)


def test_no_label_and_back(run, first_run, source, output, no_spark):
    bare = run(source, output.root, label="none")
    assert set(bare.components()["label"].to_pylist()) == {None}
    back = run(source, output.root)
    assert labels(back.components()) == labels(Result.open(first_run.output).components())


def test_only_the_files_with_other_labels_are_rewritten_and_nothing_is_fitted_again(
    run, photos, tmp_path
):
    source, output = shutil.copytree(photos, tmp_path / "in"), Output.at(tmp_path / "out")
    shutil.move(source / "apple", tmp_path / "apple")
    run(source, output.root)
    shutil.move(tmp_path / "apple", source / "apple")
    first = run(source, output.root)
    files = {file.path for file in Tables(output)["features"].files}
    assert len(files) == 2
    one_folder = "/in/(app(?=le/)|(?!apple/)[^/]+)"
    again = run(source, output.root, label=one_folder)
    kept = files & {file.path for file in Tables(output)["features"].files}
    assert again.record["counts"]["relabelled"] == 10
    assert len(kept) == 1
    assert set(again.components()["label"].to_pylist()) == {"app", "lemon", "plum", "sweet pepper"}
    stored = models.load_moments(output)
    assert stored is not None
    assert stored.files == {file.path for file in Tables(output)["features"].files}
    refitted = run(source, output.root, pca="refit", components=4, label=one_folder)
    assert refitted.record["moments_read"] == 0
    assert again.components()["pca_id"].unique() == first.components()["pca_id"].unique()


def test_new_images_and_other_labels_in_one_run(run, first_run, source, output, photos, tmp_path):
    more = tmp_path / "more/quince"
    more.mkdir(parents=True)
    shutil.copy(photos / "plum/3.png", more / "9.png")
    both = run((source, more.parent), output.root, label=FIRST_LETTER)
    assert_relabelled(both)
    assert labels(both.components())[str(more / "9.png")] == "q"
    counts = both.record["counts"]
    assert (counts["relabelled"], counts["new"], counts["embedded"]) == (41, 1, 1)
    assert both.components().num_rows == 40


def test_images_of_another_source_keep_their_labels(run, source, output):
    one = run(source / "plum", output.root, label=FIRST_LETTER)
    found = labels(one.features())
    assert {found[p] for p in found if "/plum/" in p} == {"p"}
    assert {found[p] for p in found if "/plum/" not in p} == {"apple", "lemon", "sweet pepper"}


def test_beyond_a_limit_labels_are_not_mixed(run, source, output):
    assert_relabelled(run(source, output.root, label=FIRST_LETTER, limit=3))


@pytest.mark.parametrize("table", ["features", "errors", "components"])
def test_a_kill_while_labels_change_is_made_good(run, source, output, monkeypatch, table):
    commit = Tables.commit

    def killed(self: Tables, run_id: str, name: str, *args: Any, **settings: Any) -> Any:
        commit_first = commit(self, run_id, name, *args, **settings) if name != table else None
        if name == table:
            raise TableError("killed")
        return commit_first

    monkeypatch.setattr(Tables, "commit", killed)
    with pytest.raises(TableError, match="killed"):
        run(source, output.root, label=FIRST_LETTER)
    monkeypatch.undo()
    assert_relabelled(run(source, output.root, label=FIRST_LETTER))


def test_what_an_interrupted_run_embedded_gets_the_labels_of_the_next(
    run, photos, tmp_path, monkeypatch
):
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchard.pipeline.steps.commit", killed)
    with pytest.raises(KeyboardInterrupt):
        run(photos, tmp_path / "out")
    monkeypatch.undo()
    after = run(photos, tmp_path / "out", label=FIRST_LETTER)
    assert after.record["counts"]["adopted"] == 40
    assert labels(after.features()) == expected(after.features())
    assert labels(after.components()) == expected(after.components())
