"""What went from the source leaves everything that answers about what is there, and is kept."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import CommitProperties, DeltaTable, write_deltalake
from rich.console import Console

from orchard.cli import main
from orchard.cli.tables import tables_of
from orchard.errors import CountsError, SourceError, TableError, TooManyErrors
from orchard.result import Result
from orchard.store.erase import erase
from orchard.store.output import Output
from orchard.store.snapshot import SCHEMAS
from orchard.store.tables import Tables

Run = Callable[..., Result]


@pytest.fixture
def output(first_run: Result, source: Path, tmp_path: Path) -> Output:
    """What the first run of `source` left."""
    return Output.at(shutil.copytree(first_run.output, tmp_path / "out"))


def rows_of(table: pa.Table) -> dict[str, dict[str, Any]]:
    rows = {row.pop("path"): row for row in table.to_pylist()}
    assert len(rows) == table.num_rows, "no path twice"
    return rows


def assert_held(result: Result, first: Result, went: set[str]) -> None:
    """Every image's features are in one table and in one only, as they were first."""
    assert set(rows_of(result.gone())) == went
    together = rows_of(pa.concat_tables([result.features(), result.gone()]))
    assert together == rows_of(first.features())
    assert set(rows_of(result.components())) == set(rows_of(result.features()))


def test_what_went_is_in_gone_and_nowhere_else_until_it_is_back(run, first_run, source, output):
    lost = {source / "plum/3.png", source / "lemon/0.png"}
    for path in lost:
        path.rename(path.with_suffix(".hidden").with_name(f".{path.name}"))
    went = run(source, output.root)
    names = {str(path) for path in lost}
    assert_held(went, first_run, names)
    expected = {"listed": 38, "embedded": 0, "already_there": 38, "went": 2, "gone": 2}
    assert {name: went.record["counts"][name] for name in expected} == expected
    plain = pd.read_parquet(f"{output.root}/features")["path"]
    assert sorted(plain) == went.features()["path"].to_pylist()
    near = went.nearest(str(source / "plum/1.png"), k=40)
    assert names.isdisjoint(near["path"].to_pylist())
    exported = CliRunner().invoke(main, ["export", output.root, "--features", "--format", "csv"])
    assert exported.exit_code == 0, exported.output
    for name in ("components", "features"):
        assert names.isdisjoint(pd.read_csv(f"{output.root}/export/{name}.csv")["path"])
    for path in lost:
        path.with_name(f".{path.name}").rename(path)
        path.chmod(0)  # who cannot read it has no need to
    back = run(source, output.root)
    assert_held(back, first_run, set())
    expected = {"listed": 40, "embedded": 0, "already_there": 40, "returned": 2, "gone": 0}
    assert {name: back.record["counts"][name] for name in expected} == expected
    assert back.record["embedding"]["images"] == 0, "not embedded again"
    assert run(source, output.root).record["counts"]["already_there"] == 40


def test_a_few_that_go_or_change_leave_the_pca_as_it_is_and_many_do_not(
    run, first_run, source, output
):
    pca_id = first_run.record["pca"]["pca_id"]
    (source / "plum/3.png").unlink()
    shutil.copy(source / "plum/1.png", source / "plum/2.png")
    few = run(source, output.root)
    assert few.record["counts"]["changed"] == 1
    assert few.record["pca"]["pca_id"] == pca_id
    shutil.rmtree(source / "plum")
    many = run(source, output.root)
    assert many.record["pca"]["pca_id"] != pca_id
    assert many.record["pca"]["n_samples"] == many.features().num_rows == 30
    fresh = run(source, f"{output.root}-fresh")
    assert many.record["pca"]["variance_kept"] == pytest.approx(
        fresh.record["pca"]["variance_kept"]
    )


def test_what_comes_back_changed_is_embedded_and_leaves_gone(run, source, output):
    lost, broken = source / "plum/3.png", source / "plum/4.png"
    for path in (lost, broken):
        path.unlink()
    run(source, output.root)
    shutil.copy(source / "plum/1.png", lost)
    broken.write_bytes(b"no picture any more")
    back = run(source, output.root)
    expected = {"changed": 2, "returned": 0, "embedded": 1, "errors": 1, "went": 0, "gone": 0}
    assert {name: back.record["counts"][name] for name in expected} == expected
    assert back.gone().num_rows == 0
    rows = rows_of(back.features())
    assert rows[str(lost)]["features"] == rows[str(source / "plum/1.png")]["features"]
    assert str(broken) not in rows
    broken.unlink()
    assert run(source, output.root).errors().num_rows == 0, "nor is an error kept of what went"


@pytest.mark.long
@pytest.mark.parametrize("returns", [False, True])
@pytest.mark.parametrize(
    ("table", "step"),
    [("gone", ""), ("features", ""), ("errors", ""), ("gone", "back"), ("components", "")],
)
def test_a_kill_between_two_commits_loses_and_doubles_nothing(
    run, first_run, source, output, monkeypatch, table, step, returns
):
    """Some go and some come back in one run, which ends before or after it commits to a table."""
    first_away, then_away = source / "plum", source / "lemon"
    hidden = first_away.rename(source / ".plum")
    run(source, output.root)
    hidden.rename(first_away)
    then_away.rename(source / ".lemon")
    commit = Tables.commit

    def killed(self: Tables, run_id: str, name: str, *args: Any, **settings: Any) -> Any:
        if (name, settings.get("step", "")) == (table, step):
            if returns:
                commit(self, run_id, name, *args, **settings)
            raise TableError("killed")
        return commit(self, run_id, name, *args, **settings)

    monkeypatch.setattr(Tables, "commit", killed)
    with pytest.raises(TableError, match="killed"):
        run(source, output.root)
    monkeypatch.undo()
    kept = {
        *rows_of(Result.open(output.root).features()),
        *rows_of(Result.open(output.root).gone()),
    }
    assert kept == set(rows_of(first_run.features())), "in one table or in both"
    healed = run(source, output.root)
    assert_held(healed, first_run, {str(then_away / f"{number}.png") for number in range(10)})
    assert "embedding" not in healed.record or healed.record["embedding"]["images"] == 0
    assert run(source, output.root).record["counts"]["went"] == 0


def test_a_result_of_0_1_0_moves_its_rows_at_the_next_run(run, first_run, source, output):
    lost, back = str(source / "plum/3.png"), str(source / "plum/4.png")
    as_0_1_0(output, [lost, back])
    assert Result.open(output.root).gone()["path"].to_pylist() == [lost, back]
    Path(lost).unlink()
    moved = run(source, output.root)
    assert_held(moved, first_run, {lost})
    assert {field.name for field in DeltaTable(output.url("gone")).schema().fields} == set(
        SCHEMAS["gone"].names
    )
    assert pd.read_parquet(f"{output.root}/gone")["path"].tolist() == [lost]


def test_a_result_of_0_1_0_can_be_erased_from_and_compacted_before_that(source, output):
    lost, other = str(source / "plum/3.png"), str(source / "plum/4.png")
    as_0_1_0(output, [lost, other])
    assert CliRunner().invoke(main, ["optimize", output.root]).exit_code == 0
    assert erase(output, [lost]).rows["gone"] == 1
    assert Result.open(output.root).gone()["path"].to_pylist() == [other]


def as_0_1_0(output: Output, paths: list[str]) -> None:
    """The gone table as 0.1.0 wrote it: marks, the rows being in the features still."""
    shutil.rmtree(Path(output.root, "gone"))
    Path(output.root, "_versions.json").unlink()
    schema = pa.schema([pa.field("path", pa.string(), nullable=False), ("run_id", pa.string())])
    rows = pa.table([paths, ["r"] * len(paths)], schema=schema)
    facts = CommitProperties(custom_metadata={"orchard.run_id": "r"})
    write_deltalake(output.url("gone"), rows, commit_properties=facts)


def test_what_a_run_cannot_or_does_not_look_at_does_not_go(run, source, output, tmp_path):
    for settings in ({"exclude": ("0.png",)}, {"limit": 5}, {"include": ("1.png",)}):
        assert run(source, output.root, **settings).record["counts"]["gone"] == 0
    assert run(source / "plum", output.root).record["counts"]["gone"] == 0
    away = source.rename(tmp_path / "unmounted")
    with pytest.raises(SourceError):
        run(source, output.root)
    source.mkdir()
    with pytest.raises(SourceError, match="no image in"):
        run(source, output.root)
    source.rmdir()
    away.rename(source)
    unchanged = Result.open(output.root)
    assert (unchanged.features().num_rows, unchanged.gone().num_rows) == (40, 0)


def test_erase_vacuum_and_optimize_know_what_went(run, source, output):
    shutil.rmtree(source / "plum")
    run(source, output.root)
    lost = str(source / "plum/3.png")
    for command in (["optimize", output.root], ["vacuum", output.root]):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
    nowhere_else = dict.fromkeys(SCHEMAS, 0)
    assert erase(output, [lost]).rows == nowhere_else | {"gone": 1, "thumbnails": 1}
    assert lost not in rows_of(Result.open(output.root).gone())
    assert Result.open(output.root).gone().num_rows == 9
    files = {f"gone/{path.name}" for path in Path(output.root, "gone").glob("*.parquet")}
    assert files == {file.path for file in Tables(output)["gone"].files}


def test_replace_computes_anew_and_forgets_what_went(run, source, output):
    shutil.rmtree(source / "plum")
    run(source, output.root)
    replaced = run(source, output.root, replace=True, size=48)
    assert (replaced.features().num_rows, replaced.gone().num_rows) == (30, 0)


def test_when_all_is_gone_but_what_cannot_be_read_nothing_is_left_to_answer(run, source, output):
    for picture in source.rglob("*.png"):
        picture.unlink()
    (source / "plum/text.png").write_text("no picture")
    with pytest.raises(TooManyErrors, match="all 1 images failed"):
        run(source, output.root)
    left = Result.open(output.root)
    assert (left.features().num_rows, left.components().num_rows, left.gone().num_rows) == (
        0,
        0,
        40,
    )
    with pytest.raises(TableError, match="another OUTPUT"):
        run(source, output.root, size=48)


def test_a_gone_table_that_does_not_add_up_is_said(run, source, output, monkeypatch):
    (source / "plum/3.png").unlink()
    monkeypatch.setattr("orchard.pipeline.gone.stage_gone", lambda *_: [])
    with pytest.raises(CountsError, match=r"gone/ holds 0 rows; expected 1"):
        run(source, output.root)


def test_the_summary_and_a_notebook_say_how_many_went_and_where_they_are(run, source, output):
    (source / "plum/3.png").unlink()
    result = run(source, output.root)
    said = io.StringIO()
    Console(file=said, width=200).print(*tables_of(result))
    assert re.search(r"missing from SOURCE, now in gone/ +│ +1 ", said.getvalue())
    assert "<th style='text-align:left'>gone</th><td>1</td>" in result._repr_html_()
