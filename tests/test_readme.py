"""Every code block of the README runs, in order, in one empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchard.samples.turntable import write_sample
from tests.conftest import ROOT

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    found = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {kind for kind, _ in found} <= {"bash", "python", "text"}
    return [(kind, text) for kind, text in found if kind != "text"]


def here(command: str) -> str:
    """The same command where there is no network and no second test run inside the first."""
    if command.startswith("make "):
        return f"make -n -C '{ROOT}' {command[5:]}"
    if command.startswith("orchard run") and not {"--help", "--weights"} & set(command.split()):
        return f"{command} --weights fruit --size 64"
    return command


@pytest.mark.long
def test_the_blocks_run_in_order(tmp_path: Path) -> None:
    write_sample(tmp_path / "photos", 130)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for kind, text in blocks():
        if kind == "bash":
            script = "set -e\n" + "\n".join(here(line) for line in text.splitlines())
            command = ["bash", "-c", script]
        else:
            text = text.replace('output="result"', 'output="api", weights="fruit", size=64')
            command = [sys.executable, "-c", text]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{text}\n{done.stderr}"
