"""What a contributor and a release rely on says the same in each place."""

from __future__ import annotations

import os
import re
import subprocess
from importlib import metadata

import yaml

import orchard
from tests.conftest import ROOT

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def commands(target: str, *settings: str) -> list[str]:
    """What make would run for a target whose environment is installed."""
    # A make that runs these tests hands its own level and flags down, which change what is printed.
    environment = {k: v for k, v in os.environ.items() if k not in {"MAKELEVEL", "MAKEFLAGS"}}
    shown = subprocess.run(
        ["make", "-n", "-o", ".venv/installed-dev", target, *settings],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return shown.stdout.splitlines()


def test_the_hooks_are_the_commands_of_make_lint() -> None:
    (local,) = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    assert [hook["entry"] for hook in local["hooks"]] == commands("lint")


def test_the_forges_workflow_calls_what_ci_run_calls() -> None:
    here = set(re.findall(r"^make (\S+)$", text(".ci/run"), re.MULTILINE))
    workflow = yaml.safe_load(text(".github/workflows/ci.yml"))
    jobs = workflow["jobs"]
    targets = set(jobs["long"]["strategy"]["matrix"]["target"])
    runs = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    targets |= {run.split()[1] for run in runs if run.startswith("make ")}
    assert here <= targets
    assert jobs["test"]["strategy"]["matrix"]["python"] == PYTHONS


def test_the_classifiers_name_the_pythons_that_are_tested() -> None:
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text("pyproject.toml"))
    assert named == PYTHONS
    assert 'requires-python = ">=3.11,<3.15"' in text("pyproject.toml")


def test_the_version_stands_in_one_place() -> None:
    assert 'dynamic = ["version"]' in text("pyproject.toml")
    assert metadata.version("orchard-images") == orchard.__version__
    assert f"/orchard_images-{orchard.__version__}-" in "\n".join(commands("release"))
    assert "version:" not in text("CITATION.cff").replace("cff-version:", "")


def test_the_citation_can_be_read() -> None:
    cited = yaml.safe_load(text("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["license"] == metadata.metadata("orchard-images")["License-Expression"]


def test_one_area_is_tested_by_its_name() -> None:
    whole = commands("test")[0].split()
    assert whole[0] == ".venv/bin/pytest"
    assert "--durations=15" in whole
    assert commands("test", "AREA=store")[0].split() == [*whole, "tests/store"]


def test_the_demo_needs_the_short_lock_alone() -> None:
    short, whole = (
        dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text(name), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert len(short) * 3 < len(whole)
    assert {"pytest", "moto", "playwright", "boto3", "pandas", "openvino"} & set(short) == set()
    assert "pyspark" in short


def test_the_demo_and_running_need_versions_that_are_tested() -> None:
    short, whole = (
        set(re.findall(r"^([a-z0-9-]+==[^ \\]+)", text(name), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert short <= whole


def test_every_decision_is_listed_with_its_status_and_date() -> None:
    index = text("docs/adr/index.md")
    pages = sorted((ROOT / "docs" / "adr").glob("0*.md"))
    assert len(pages) > 26
    for path in pages:
        title, status = path.read_text(encoding="utf-8").splitlines()[:2]
        state, _, day = status.strip("*").rpartition(", ")
        assert f"| [{title.removeprefix('# ')}]({path.name}) | {state} | {day} |" in index


def test_the_changelog_keeps_its_form() -> None:
    """Of https://keepachangelog.com: the newest first, kinds of change as headings."""
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text("CHANGELOG.md"), re.MULTILINE)) <= kinds
    versions = re.findall(r"^## (.*)$", text("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[[\d.]+\] - \d{4}-\d\d-\d\d", line) for line in versions[1:])
