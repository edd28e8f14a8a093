"""A small run in a real AWS account, from `run` to `down --everything`, on both backends.

    ORCHARD_AWS_SMOKE=1 AWS_PROFILE=… AWS_REGION=eu-west-3 make test-aws

Without ORCHARD_AWS_SMOKE it shows what that costs, and starts nothing.

Nobody has run it yet.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from aws.conftest import orchard

pytestmark = [
    pytest.mark.aws,
    pytest.mark.skipif(
        os.environ.get("ORCHARD_AWS_SMOKE") != "1", reason="ORCHARD_AWS_SMOKE=1 allows the cost"
    ),
]

NAME = "orchard-smoke"
LIMITS = ("--max-cost", "2", "--timeout", "40")
BACKENDS = (
    ("--backend", "serverless", "--workers", "1"),
    ("--backend", "ec2", "--core", "1", "--task", "0"),
)
_SETTINGS = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


@pytest.fixture(autouse=True)
def real_account(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings that the other tests take away."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE", raising=False)
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED", raising=False)
    for name, value in _SETTINGS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_in_a_real_account_and_nothing_left(
    backend: tuple[str, ...], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchard.aws import follow

    monkeypatch.setattr(follow, "POLL_SECONDS", 10.0)
    stack: tuple[Any, ...] = ("--name", NAME, *LIMITS)
    small = ("--weights", "fruit", "--size", 32, "--components", 5)
    try:
        run = orchard(
            *("cluster", "run", photos, tmp_path / "out", "--yes", *stack, *backend, *small)
        )
        assert run.exit_code == 0, run.output
        assert (tmp_path / "out/report/explained_variance.png").is_file()
    finally:
        down = orchard("cluster", "down", "--everything", "--yes", "--name", NAME)
    assert down.exit_code == 0, down.output
