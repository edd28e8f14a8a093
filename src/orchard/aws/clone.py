"""Starting again what was started before, from its launch in the bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from orchard.aws import launch as launches
from orchard.aws.cluster import Cluster
from orchard.aws.launch import Launch
from orchard.cloud.estimate import Workload, estimate, guard
from orchard.config import RunConfig


def clone(cluster: Cluster, wanted: str | None, confirm: Callable[[str], None]) -> Launch:
    """An identical cluster; where the launch had a run, the same run on it.

    The stack and the code are brought up to date first. Raises ConfigError for an unknown id.
    """
    found = launches.load(cluster.account, cluster.bucket, wanted)
    again = replace(cluster, config=found.config)
    expected = estimate(found.config, Workload(0, 0))
    guard(found.config, expected)
    again.check_account()
    what = found.run["output"] if found.run else "without a job"
    most = f"at most {expected.worst_eur:.2f} EUR"
    confirm(f"Start {found.id} again ({found.config.backend}, {what}, {most})?")
    if found.run is None:
        return again.start()
    fields = found.run | {
        name: tuple(found.run[name]) for name in ("sources", "include", "exclude")
    }
    run = RunConfig(**fields)
    backend = again.deploy(again.check_places(run))
    return again.submit(backend, run, again.upload_code(), alone=True)
