"""`orchard findings`, `dedupe` and `split` as a user gives them, and what erasure reaches."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import orchard
from orchard.cli import main
from orchard.errors import TableError
from orchard.findings import renew
from orchard.records import FINDINGS
from orchard.report.build import build
from orchard.store import findings
from orchard.store.erase import erase
from orchard.store.output import Output
from orchard.store.tables import Tables


def called(*words: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def copy(rendered_result: Path, tmp_path: Path) -> Path:
    return shutil.copytree(rendered_result, tmp_path / "copy")


def test_a_run_leaves_findings_that_every_reader_reads(rendered_result: Path) -> None:
    rows = orchard.open(rendered_result).findings()
    assert rows.schema.equals(FINDINGS)
    assert "near_duplicate" in rows["kind"].to_pylist(), "frames of a turntable"
    assert pd.read_parquet(rendered_result / "findings").shape == rows.shape
    groups = rows.to_pandas().query("kind == 'near_duplicate'").groupby("group")
    assert (groups["keep"].sum() == 1).all()
    assert (groups["score"].max() == 1).all()


def test_the_same_rows_come_out_in_every_format(copy: Path, tmp_path: Path) -> None:
    asked = ("findings", copy, "--kind", "near_duplicate")
    csv = pd.read_csv(io.BytesIO(called(*asked, "--format", "csv").stdout_bytes))
    lines = called(*asked, "--format", "jsonl").stdout.splitlines()
    called(*asked, "--to", tmp_path / "f.parquet")
    rows = pq.read_table(tmp_path / "f.parquet").to_pylist()
    assert [json.loads(line) for line in lines] == rows
    assert csv["path"].tolist() == [row["path"] for row in rows]
    assert set(csv["kind"]) == {"near_duplicate"}
    assert f"{len(rows):,}" in called(*asked).stdout
    assert "expected a name that ends in" in called(*asked, "--to", "f.txt", code=2).stderr


def test_findings_that_are_missing_or_damaged_are_made_again(copy: Path) -> None:
    output = Output.at(copy)
    before = findings.read(output)
    findings.delete(output)
    with pytest.raises(TableError, match="holds no findings; `orchard findings"):
        orchard.open(copy).findings()
    called("findings", copy)
    assert findings.read(output).equals(before)
    place = copy / findings.PATH
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.write_bytes(data)
    with pytest.raises(TableError, match="makes it again"):
        orchard.open(copy).findings()
    called("findings", copy)
    assert findings.read(output).equals(before)


def test_a_run_may_leave_the_findings_to_the_command(
    run: Callable[..., orchard.Result], photos: Path, tmp_path: Path
) -> None:
    result = tmp_path / "out"
    run(photos, result, limit=20)
    assert (result / findings.PATH).exists()
    run(photos, result, findings=False, report=True)
    assert not (result / "findings").exists(), "those of before are of other images"
    assert (result / "report/index.html").exists()
    modified = (result / "report/index.html").stat().st_mtime_ns
    run(photos, result, findings=False, report=True)
    assert (result / "report/index.html").stat().st_mtime_ns == modified, "nothing is new"
    called("findings", result)
    made = orchard.open(result).findings()
    assert made.num_rows
    (result / "report/drawn.json").unlink()
    run(photos, result, findings=False, report=True)
    assert (result / "report/drawn.json").exists()
    assert orchard.open(result).findings().equals(made), "they are of these images"


def test_findings_of_other_components_are_not_shown_as_those_of_the_present(copy: Path) -> None:
    tables = Tables(Output.at(copy))
    rows = findings.read_current(tables)
    assert rows is not None
    leaving = rows["path"].slice(0, 1).combine_chunks()
    with tables.output.lock():
        run_id = "20261130T120000.000000Z-0000a1"
        tables.commit(run_id, "components", [], superseded=leaving)
    assert findings.read_current(Tables(tables.output)) is None


def test_an_erasure_takes_the_findings_and_the_next_command_has_them_without_the_image(
    copy: Path,
) -> None:
    path = findings.read(Output.at(copy))["path"][0].as_py()
    erase(Output.at(copy), [path])
    assert not (copy / "findings").exists()
    assert path not in called("findings", copy, "--format", "csv").stdout


def test_the_list_of_duplicates_is_what_erase_takes(copy: Path, tmp_path: Path) -> None:
    before = pd.read_parquet(copy / "findings")
    listed = called("dedupe", copy, "--to", tmp_path / "drop.txt")
    paths = (tmp_path / "drop.txt").read_text().splitlines()
    assert paths == sorted(before.query("keep == False")["path"])
    assert f"{len(paths):,} of" in listed.stderr
    assert called("dedupe", copy).stdout.splitlines() == paths
    called("dedupe", copy, "--to", tmp_path / "drop.csv")
    decided = pd.read_csv(tmp_path / "drop.csv")
    assert list(decided.columns) == ["path", "decision", "label"]
    assert decided["path"].tolist() == paths
    decided.loc[0, "decision"] = "keep"
    decided.to_csv(tmp_path / "drop.csv", index=False)
    said = called("erase", copy, "--from-file", tmp_path / "drop.csv", "--dry-run")
    assert f"{len(paths) - 1} images would be erased" in said.stdout
    assert paths[0] not in called("dedupe", copy, "--decisions", tmp_path / "drop.csv").stdout


def test_lists_to_train_and_test_with_replace_nothing_by_themselves(
    rendered_result: Path, tmp_path: Path
) -> None:
    said = called("split", rendered_result, "--fractions", "0.5,0.5", "--to", tmp_path / "lists")
    assert "train: " in said.stderr
    train, test = (pd.read_csv(tmp_path / f"lists/{side}.csv") for side in ("train", "test"))
    assert list(train.columns) == ["path", "label"]
    whole = pd.read_csv(
        io.StringIO(called("split", rendered_result, "--fractions", "0.5,0.5").stdout)
    )
    assert sorted([*train["path"], *test["path"]]) == whole["path"].tolist()
    again = ("split", rendered_result, "--fractions", "0.5,0.5", "--to", tmp_path / "lists")
    assert "is there already: expected another DIR, or --force" in called(*again, code=2).stderr
    called(*again, "--force")


def test_the_report_is_the_same_whether_it_computes_neighbours_or_takes_them(copy: Path) -> None:
    tables = Tables(Output.at(copy))
    pages = []
    rows, seen = renew(tables)
    for known in (None, seen.known(rows)):
        build(tables, known=known, with_thumbnails=False)
        pages.append((copy / "report/index.html").read_bytes())
    assert pages[0] == pages[1]
