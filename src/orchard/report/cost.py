"""What embedding the images of a result would cost on AWS, from the speed of its last run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from orchard.cloud.estimate import CloudEstimate, Workload, estimate, speed
from orchard.cloud.regions import REGIONS
from orchard.cloud.settings import BACKENDS, ClusterConfig
from orchard.report.points import Images
from orchard.storage import is_remote

REGION = "eu-west-3"  # where neither the run nor its bucket names one in the EU
LEAST = 64  # images: fewer tell too little of how fast a slot is


@dataclass(frozen=True, slots=True)
class Costs:
    """For `orchard cluster` as it is by default, on either backend.

    speed: lowest and highest assumed of a vCPU there, against a core here.
    """

    work: Workload
    region: str
    speed: tuple[float, float]
    rows: tuple[tuple[ClusterConfig, CloudEstimate], ...]


def costs(record: dict[str, Any], images: Images) -> Costs | None:
    """None where the run embedded too few images, or elsewhere than on one machine's cores."""
    config, embedding = record.get("config", {}), record.get("embedding") or {}
    busy = sum(embedding.get("worker_seconds", {}).values())
    n_timed = embedding.get("images", 0)
    if n_timed < LEAST or not busy or not config.get("master", "").startswith("local"):
        return None
    per_core = n_timed / busy * _slots_a_core(config["master"], embedding.get("driver_cores"))
    sources = record.get("sources") or config["sources"]  # a manifest's run has the first alone
    n_local = 0 if all(map(is_remote, sources)) else len(images)
    n_bytes = int(pc.sum(images.rows["size"]).as_py() or 0)
    work = Workload(len(images), n_bytes, per_core, is_measured=True, uploads=n_local)
    region = config.get("region") if config.get("region") in REGIONS else REGION
    clusters = [ClusterConfig(region=region, backend=backend) for backend in BACKENDS]
    slow, fast = zip(*map(speed, clusters), strict=True)
    rows = tuple((cluster, estimate(cluster, work)) for cluster in clusters)
    return Costs(work, region, (min(slow), max(fast)), rows)


def _slots_a_core(master: str, cores: int | None) -> float:
    """At least 1; two slots on one core each take twice as long."""
    slots = re.match(r"local\[(\d+)", master)
    return max(1.0, int(slots[1]) / cores) if slots and cores else 1.0
