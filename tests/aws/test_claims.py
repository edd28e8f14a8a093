"""What the guide says of AWS is what the templates and the price table say."""

from __future__ import annotations

from pathlib import Path

from aws.test_policies import resources
from orchard.aws.places import COPIES_OF_AWS

DOCS = Path(__file__).parents[2] / "docs"


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
