"""The same in a bucket: there are no links and no renaming, and other readers see each object."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test
from s3.conftest import aws, aws_in_workers, client_of  # noqa: F401  its fixtures
from s3.runs.conftest import distant, server  # noqa: F401  in a process of its own

from machine.lifetime import Lifetime, lives
from machine.places import Bucket, Disk
from orchard.storage import Storage
from orchard.store import lock

REGION = "us-east-1"

pytestmark = pytest.mark.s3


def in_a_bucket(endpoint: str, folder: Path) -> type[Lifetime]:
    numbers, client = itertools.count(), client_of(endpoint)

    class InABucket(Lifetime):
        title = "in a bucket"

        @staticmethod
        def new_place(among_images: bool) -> Disk:
            name = f"lifetime-{next(numbers)}"
            client.create_bucket(Bucket=name)
            return Bucket(
                base=f"s3://{name}",
                scratch=str(folder / name),
                out="photos/out" if among_images else "out",
                options=("--endpoint-url", endpoint, "--region", REGION),
                storage=Storage(endpoint, REGION),
                client=client,
            )

    return InABucket


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock that a killed run leaves is waited for, but not for half a minute."""
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(lock, "LEASE_SECONDS", 0.5)


def test_any_sequence_of_steps_leaves_a_result_true_in_a_bucket_too(
    spark: Any,
    server: str,  # noqa: F811
    aws_in_workers: None,  # noqa: F811
    short_lease: None,
    tmp_path: Path,
) -> None:
    run_state_machine_as_test(in_a_bucket(server, tmp_path), settings=lives(3, 12))
