"""The guide's code blocks run, page by page, in a folder of rendered photos and a result."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

import orchard
from orchard.samples.turntable import write_sample
from tests.conftest import ROOT
from tests.test_readme import BLOCK, here

PAGES = (
    "tutorial.md",
    "how-to/own-folder.md",
    "how-to/archives.md",
    "how-to/notebook.md",
    "how-to/other-networks.md",
    "how-to/pyspark-ml.md",
)


@pytest.fixture(scope="module")
def folder(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    write_sample(folder / "photos", 60)
    config = orchard.RunConfig(
        sources=(str(folder / "photos"),),
        output=str(folder / "result"),
        weights="fruit",
        size=64,
        components=0.9,
        report=False,
    )
    orchard.run(config)
    return folder


def scripts(page: str) -> list[tuple[str, str]]:
    """A page's blocks of bash and Python; neighbours of a kind are one script."""
    found = BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert {kind for kind, _ in found} <= {"bash", "python", "text"}
    run = [block for block in found if block[0] != "text"]
    return [(kind, "".join(b for _, b in blocks)) for kind, blocks in groupby(run, lambda b: b[0])]


def offline(text: str) -> str:
    """The same Python, quicker, with a network that needs no download and no window to draw in."""
    small = re.sub(r'ImageEmbedder\(inputCol="path"', r'\g<0>, weights="fruit", size=64', text)
    small = small.replace("maxIter=20", "maxIter=3")
    return f"import matplotlib\nmatplotlib.use('agg')\n{small}"


def _without_report(command: str) -> str:
    """A run ends with one in the README's test."""
    return f"{command} --no-report" if command.startswith("orchard run") else command


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES)
def test_the_pages_code_runs(folder: Path, page: str) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    assert scripts(page)
    for kind, text in scripts(page):
        lines = "\n".join(_without_report(here(line)) for line in text.splitlines())
        command = (
            ["bash", "-c", f"set -e\n{lines}"]
            if kind == "bash"
            else [sys.executable, "-c", offline(text)]
        )
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_site_is_built_without_a_warning_and_without_a_network(tmp_path: Path) -> None:
    for name in ("docs", "src"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    live = tmp_path / "docs/live/report.html"
    live.parent.mkdir(exist_ok=True)
    live.write_text("<!doctype html><title>the report</title>", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=tmp_path,
        env=os.environ | {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "site" / "python-api.html").read_text(encoding="utf-8")
    assert "handleInvalid" in page
    assert "The k images most like a given one" in page
    assert (tmp_path / "site/live/report.html").read_bytes() == live.read_bytes()
    shows = (tmp_path / "site/live-report.html").read_text(encoding="utf-8")
    assert shows.count('="live/report.html"') == 2, "a link and a frame"


def test_make_docs_puts_a_report_of_rendered_fruit_into_the_site() -> None:
    done = subprocess.run(
        ["make", "-n", "-W", "src/orchard/report/page.py", "docs"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    made = done.stdout.index("orchard sample fruits")
    drawn = done.stdout.index("orchard run fruits result --weights fruit")
    kept = done.stdout.index("docs/live/report.html", drawn)
    assert made < drawn < kept < done.stdout.index("zensical build")
