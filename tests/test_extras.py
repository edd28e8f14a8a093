"""What the plain install leaves out is named, with the extra that brings it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from orchard.aws import package
from orchard.errors import ConfigError, needs
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def without(names: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`orchard` in a Python that lacks the modules."""
    lacking = (
        "import sys\n"
        "class Lacking:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {names!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Lacking())\n"
    )
    main = f"from orchard.cli import main\nmain({arguments!r})"
    code = arguments[0] if len(arguments) == 1 else main
    return subprocess.run(
        [sys.executable, "-c", lacking + code], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("names", "arguments", "sentence"),
    [
        (
            ("boto3", "botocore"),
            ("run", "s3://fruits/photos", "s3://fruits/result"),
            "an s3:// address needs boto3: pip install 'orchard-images[s3]'",
        ),
        (
            ("boto3", "botocore"),
            ("cluster", "list", "--region", "eu-west-3"),
            "orchard cluster needs boto3: pip install 'orchard-images[aws]'",
        ),
        (
            ("starlette", "uvicorn"),
            ("serve", "result"),
            "orchard serve needs uvicorn: pip install 'orchard-images[serve]'",
        ),
    ],
)
def test_a_missing_library_is_one_sentence_that_names_its_extra(
    names: tuple[str, ...], arguments: tuple[str, ...], sentence: str
) -> None:
    done = without(names, *arguments)
    assert done.returncode == ConfigError.exit_code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stage_without_pandas_names_its_extra() -> None:
    done = without(("pandas",), "import orchard.spark\norchard.spark.ImageEmbedder")
    last = done.stderr.splitlines()[-1]
    assert last == (
        "orchard.errors.ConfigError: orchard.spark.ImageEmbedder needs pandas: "
        "pip install 'orchard-images[ml]'"
    )


def test_a_module_of_our_own_that_is_missing_is_a_bug_and_no_extra() -> None:
    with pytest.raises(ModuleNotFoundError), needs("s3", "a test"):
        import orchard.nowhere  # type: ignore[import-not-found]  # noqa: F401


def test_every_extra_that_a_sentence_or_a_page_names_exists() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").iterdir()]
    texts = [*pages, *(ROOT / "src").rglob("*.py"), *(ROOT / "notebooks").glob("*.ipynb")]
    named: set[str] = set()
    for path in filter(Path.is_file, texts):
        text = path.read_text(encoding="utf-8")
        for found in re.findall(r"orchard-images\[([a-z0-9,]+)\]", text):
            named.update(found.split(","))
        named.update(re.findall(r'needs\("([a-z0-9]+)", ', text))
    assert named == set(EXTRAS)


def test_every_extra_brings_something_that_the_plain_install_lacks_or_has_newer() -> None:
    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[ \[<>=!;]", text)[0] for text in requirements}

    plain = names(PROJECT["dependencies"])
    older = {"spark35"}
    assert {extra for extra, wanted in EXTRAS.items() if names(wanted) <= plain} == older


def test_the_archive_for_a_cluster_holds_what_buckets_need() -> None:
    names = {pin.partition("==")[0] for pin in package.requirements("x86_64")}
    assert {"boto3", "botocore", "numpy"} <= names
    assert "uvicorn" not in names
    assert metadata.version("boto3") in {
        pin.partition("==")[2] for pin in package.requirements("x86_64")
    }
