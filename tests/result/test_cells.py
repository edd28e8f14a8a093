"""CSV files hold no formulas, unless somebody asks for the texts as they are."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import orchard
from orchard.cli import main
from orchard.records import vectors_of
from orchard.result.cells import quoted
from orchard.result.export import export
from orchard.store.output import Output
from orchard.store.tables import Tables

FORMULAS = [
    '=HYPERLINK("http:⁄⁄x","y")',
    "=1+1",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    "'=1",
    "-",
]
PLAIN = ["apple", "a=1", "1+1", "'s", "NA", "nan", "null", "007", " =1", "", "é"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_begins_a_formula_gets_an_apostrophe(text: str) -> None:
    assert quoted(pa.table({"label": [text]}))["label"].to_pylist() == [f"'{text}"]


@pytest.mark.parametrize("text", [*PLAIN, None])
def test_other_texts_stay_as_they_are(text: str | None) -> None:
    assert quoted(pa.table({"label": pa.array([text], pa.string())}))["label"].to_pylist() == [text]


def test_numbers_stay_numbers() -> None:
    table = pa.table({"pc_1": np.array([-1.5, 2], np.float32), "size": [-1, 2]})
    assert quoted(table).equals(table)


@given(st.lists(st.text(alphabet="'=+-@\t\r\nab＝", max_size=5)))
def test_the_apostrophe_can_be_taken_away_again(texts: list[str]) -> None:
    cells = quoted(pa.table({"label": pa.array(texts, pa.string())}))["label"].to_pylist()
    assert not any(re.match("[=+\\-@\t\r\n＝]", cell) for cell in cells)
    assert [cell[bool(re.match("'+[=+\\-@\t\r\n＝]", cell)) :] for cell in cells] == texts


@pytest.fixture(scope="module")
def risky(
    run: Callable[..., orchard.Result], photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A result whose labels are formulas, and names that pandas takes for missing values."""
    folder = tmp_path_factory.mktemp("risky")
    pictures = sorted(photos.glob("*/*.png"))
    labels = [text for text in (*FORMULAS, *PLAIN) if text]
    for number, label in enumerate(labels):
        (folder / "photos" / label).mkdir(parents=True)
        shutil.copy(pictures[number], folder / "photos" / label)
        (folder / "photos" / label / "broken.jpg").touch()
    run(folder / "photos", folder / "out")
    return folder / "out"


def cells(path: Path, column: str = "label") -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row[column] for row in csv.DictReader(file)]


@pytest.mark.parametrize("file_format", ["csv", "npy", "parquet"])
def test_no_file_of_an_export_holds_a_formula_unless_it_is_raw(
    risky: Path, tmp_path: Path, file_format: str
) -> None:
    arguments = ["export", str(risky), "--format", file_format, "--features", "--to"]
    for option in ((), ("--raw",)):
        to = tmp_path / ("raw" if option else "quoted")
        done = CliRunner().invoke(main, [*arguments, str(to), *option])
        assert done.exit_code == 0
        files = [path for path in to.glob("*.csv") if path.name != "explained_variance.csv"]
        assert "errors.csv" in {path.name for path in files}
        for path in files:
            found = set(cells(path))
            assert set(FORMULAS) <= found if option else found.isdisjoint(set(FORMULAS) - {"'=1"})
            assert {"NA", "007"} <= found
    if file_format == "parquet":
        labels = pq.read_table(to / "components.parquet")["label"].to_pylist()
        assert set(FORMULAS) <= set(labels), "which spreadsheets do not open"


def test_pandas_reads_every_label_as_the_help_says(risky: Path, tmp_path: Path) -> None:
    export(Output.at(risky), tmp_path, "csv", raw=True)
    rows = Tables(Output.at(risky)).read("components")
    said = CliRunner().invoke(main, ["export", "--help"]).stdout
    assert 'pd.read_csv("components.csv", dtype={"label": str}, keep_default_na=False)' in said
    file = tmp_path / "components.csv"
    found = pd.read_csv(file, dtype={"label": str}, keep_default_na=False)
    assert found["label"].tolist() == rows["label"].to_pylist()
    vectors = found[[f"pc_{n + 1}" for n in range(5)]].to_numpy()
    np.testing.assert_array_equal(vectors.astype(np.float32), vectors_of(rows["components"]))
    careless = pd.read_csv(file)["label"]
    assert careless.isna().sum() == 3, "NA, nan and null: what the help warns of"
