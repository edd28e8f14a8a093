"""One deadline on a cluster: a step ends minutes before the node that would take its logs along."""

from __future__ import annotations

import os
import subprocess
import time
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

SCRIPTS = files("orchard.aws") / "scripts"


@pytest.fixture
def node(tmp_path: Path) -> dict[str, str]:
    """A machine with an aws that fetches, a sudo that writes down, a timeout that does so too."""
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("orchard/__init__.py", "")
    programs = {
        "aws": f'for last; do :; done; cp {tmp_path}/code.zip "$last"',
        "sudo": f'echo "$@" > {tmp_path}/sudo',
        "timeout": f'echo "$@" > {tmp_path}/timeout',
        "grep": "exit 0",  # this is the primary node
    }
    for name, body in programs.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/bash\n{body}\n")
        program.chmod(0o755)
    return {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "ORCHARD_DEADLINE": str(tmp_path / "deadline"),
        "TMPDIR": str(tmp_path),
    }


def script(name: str, node: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(SCRIPTS / name), *words]
    return subprocess.run(command, env=node, capture_output=True, text=True, check=False)


def step(node: dict[str, str], minutes: int) -> subprocess.CompletedProcess[str]:
    words = ("s3://b/c.zip", "s3://b/main.py", "s3://b/jobs/1", str(minutes), "eu-west-3")
    return script("step.sh", node, *words)


def seconds_of(tmp_path: Path) -> int:
    return int((tmp_path / "timeout").read_text().split()[1].removesuffix("s"))


def test_a_step_ends_five_minutes_before_its_node(tmp_path: Path, node: dict[str, str]) -> None:
    assert script("stop_after.sh", node, "60").returncode == 0
    assert (tmp_path / "sudo").read_text().startswith("shutdown -P +60 ")
    started = step(node, 60)
    assert started.returncode == 0, started.stderr
    assert 54 * 60 <= seconds_of(tmp_path) <= 55 * 60
    submitted = (tmp_path / "timeout").read_text().split()[2:]
    assert submitted[:3] == ["spark-submit", "--deploy-mode", "client"]
    assert submitted[3:] == ["--archives", "code.zip#orchard-code", "main.py", "s3://b/jobs/1"]


def test_a_step_s_own_time_may_be_shorter(tmp_path: Path, node: dict[str, str]) -> None:
    script("stop_after.sh", node, "60")
    assert step(node, 20).returncode == 0
    assert seconds_of(tmp_path) == 20 * 60


def test_a_step_that_has_no_time_left_is_not_begun(tmp_path: Path, node: dict[str, str]) -> None:
    (tmp_path / "deadline").write_text(str(int(time.time()) + 350))
    ended = step(node, 60)
    assert ended.returncode == 124, "as one that timeout has ended"
    assert ended.stderr.startswith("the time of this cluster is over in less than six minutes")
    assert not (tmp_path / "timeout").exists()
