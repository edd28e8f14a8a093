"""The notebook runs from its first cell to its last, with only its parameters changed."""

from __future__ import annotations

import re
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from orchard.samples.turntable import write_sample
from tests.conftest import ROOT

PATIENCE = 900  # seconds, of a busy machine; nothing waits for them to pass
NOTEBOOK = ROOT / "notebooks" / "fruits.ipynb"


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("notebook")
    write_sample(folder / "photos", 48)
    (min((folder / "photos").iterdir()) / "broken.jpg").write_bytes(b"no picture")
    notebook = read()
    cell = notebook.cells[1]
    assert cell.metadata["tags"] == ["parameters"]
    cell.source += '\nWEIGHTS, SIZE = "fruit", 64'
    NotebookClient(
        notebook,
        timeout=PATIENCE,
        startup_timeout=PATIENCE,
        iopub_timeout=PATIENCE,
        raise_on_iopub_timeout=True,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    return notebook


def outputs(notebook: Any, kind: str) -> list[str]:
    found = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [str(o.data[kind]) for o in found if kind in o.get("data", {})]


def printed(notebook: Any) -> str:
    found = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(o.text for o in found if o.output_type == "stream" and o.name == "stdout")


@pytest.mark.long
def test_every_step_says_what_it_found(executed: Any) -> None:
    text = printed(executed)
    for line in (
        "49 images of ",
        "49 rows, 1 of them errors",
        "not_an_image",
        "of the variance",
        "what was written is what was computed",
        "largest difference of a component",
    ):
        assert line in text


@pytest.mark.long
def test_the_pictures_and_the_result_are_shown(executed: Any) -> None:
    assert len(outputs(executed, "image/png")) == 4
    html = outputs(executed, "text/html")
    grids = [text.count("data:image/jpeg") for text in html if "<figure" in text]
    assert grids in ([11, 12, 12, 5], [12, 12, 12, 5])  # one of the 49 is broken
    assert sum("<iframe" in text for text in html) == 1
    assert any("notebook-result/run" in html for html in outputs(executed, "text/html"))


@pytest.mark.long
def test_progress_is_a_bar_of_the_notebook(executed: Any) -> None:
    assert outputs(executed, "application/vnd.jupyter.widget-view+json")


def test_what_is_kept_in_the_repository_has_no_output() -> None:
    notebook = read()
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert NOTEBOOK.stat().st_size < 50_000


def test_only_the_parameters_name_a_place() -> None:
    code = [cell.source for cell in read().cells if cell.cell_type == "code"]
    assert 'SOURCE = "photos"' in code[0]
    assert not re.search(r'"(/\w|~|s3:|file:/)', "".join(code[1:]))
