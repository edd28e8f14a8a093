"""What the guide says of AWS is what the templates and the price table say."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from aws.conftest import REGION, orchard
from aws.test_account_smoke import BACKENDS, LIMITS
from aws.test_policies import parsed, resources
from orchard.aws.cluster import Cluster
from orchard.aws.places import COPIES_OF_AWS
from orchard.cloud.prices import Prices

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def text(page: str) -> str:
    return " ".join((DOCS / page).read_text("utf-8").split())


def test_the_guide_says_what_is_not_encrypted_between_nodes() -> None:
    """In-transit encryption covers what speaks TLS; Hadoop's RPC asks for Kerberos."""
    ((_, made),) = resources("AWS::EMR::SecurityConfiguration").items()
    has_kerberos = "AuthenticationConfiguration" in made["SecurityConfiguration"]
    guide = text("how-to/aws.md")
    assert ("needs Kerberos, which Orchard does not set up" in guide) is not has_kerberos
    assert "Everything is encrypted" not in guide


def test_the_guide_says_what_emr_opens_and_what_aws_keeps() -> None:
    guide = text("how-to/aws.md")
    assert "EMR adds one for port 8443 of the primary node" in guide
    assert "For 30 days, AWS keeps the logs" in guide
    assert "for 30 days" in COPIES_OF_AWS


def test_what_remains_after_down_costs_what_the_price_table_says() -> None:
    prices, page = Prices.of("eu-west-3"), (DOCS / "explanation/aws.md").read_text("utf-8")
    rows = {
        cells[0]: cells[1:]
        for line in page.partition("## What remains")[2].splitlines()
        if line.startswith("| ")
        for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    }
    key, gb = prices.fixed("kms_key_month"), prices.s3["gb_month"]
    (bucket,) = (v for k, v in rows.items() if k.startswith("images, results"))
    (disks,) = (v for k, v in rows.items() if k.startswith("key for the disks"))
    (secret,) = (v for k, v in rows.items() if k.startswith("password"))
    assert bucket[0] == f"{gb:g} per GB"
    assert disks[0] == f"{key:g}"
    assert secret[0] == f"{prices.fixed('secret_month'):g}"
    assert f"{10 * gb:g} + {key:g} = {10 * gb + key:g} USD per month" in page
    assert "**without tax**" in page
    assert parsed("ec2")["Resources"]["DiskKey"]["Properties"]["PendingWindowInDays"] == 7


def test_down_says_what_stays_and_what_it_costs(cluster: Cluster, ec2_cluster: Cluster) -> None:
    cluster.deploy()
    shown = orchard("cluster", "down", "--region", REGION)
    stays = "nothing is running; the bucket and the stack stay, for 0.024 USD per GB and month"
    assert shown.stdout == f"{stays}, without tax\n"
    ec2_cluster.deploy()
    shown = orchard("cluster", "down", "--region", REGION)
    assert shown.stdout == f"{stays} and 1 USD per month for the disks' key, without tax\n"


def test_the_page_of_the_story_names_every_command_of_its_picture() -> None:
    page, picture = DOCS / "explanation/aws.md", DOCS / "images/aws.svg"
    drawn = " ".join(ET.parse(picture).getroot().itertext())
    text = page.read_text("utf-8")
    assert "../images/aws.svg" in text
    for command in ("up", "submit", "run", "down"):
        assert re.search(rf"\b{command}\b", drawn)
        assert f"| `{command}` " in text
    assert "an open notebook is ended too" in text


def test_the_smoke_test_shows_its_price_and_starts_nothing_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make test-aws`, with this environment in place of the one that it would make."""
    made = ("-o", ".venv/installed", "-o", ".venv/installed-dev")
    command: list[Any] = ["make", *made, f"BIN={Path(sys.executable).parent}", "test-aws"]
    monkeypatch.setenv("AWS_REGION", REGION)
    for name in ("ORCHARD_AWS_SMOKE", "MAKELEVEL", "MAKEFLAGS", "MFLAGS"):
        monkeypatch.delenv(name, raising=False)
    planned = subprocess.run(
        [*command, "-n", "ORCHARD_AWS_SMOKE=1"], cwd=ROOT, capture_output=True, text=True
    ).stdout.splitlines()
    for line, backend in zip(planned, BACKENDS, strict=False):
        assert set(shlex.split(line)) >= {*LIMITS, *backend}, "the price is that of the test"
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout
    assert done.stdout.count("At most ") == 2
    assert "make: nothing was started; ORCHARD_AWS_SMOKE=1 make test-aws agrees" in done.stderr
    assert "pytest" not in done.stdout


def test_every_test_that_the_table_names_is_there() -> None:
    page = (DOCS / "adr/0034-what-aws-documents.md").read_text("utf-8")
    named = set(re.findall(r"`([\w/]+\.py)::(test_\w+)`", page))
    assert len(named) > 20
    for file, test in sorted(named):
        path = ROOT / file if "/" in file else ROOT / "tests/aws" / file
        assert f"def {test}(" in path.read_text("utf-8"), f"{file}::{test}"
