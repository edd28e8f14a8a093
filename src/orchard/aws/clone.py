"""Starting again what was started before, from its launch in the bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from orchard.aws import launch as launches
from orchard.aws.cluster import Cluster
from orchard.aws.launch import Launch
from orchard.cloud.estimate import Workload, estimate, guard
from orchard.config import RunConfig
from orchard.store.runs import new_run_id


def clone(cluster: Cluster, wanted: str | None, confirm: Callable[[str], None]) -> Launch:
    """An identical cluster; where the launch had a run, the same run on it.

    The stack and the code are brought up to date first. Raises ConfigError for an unknown id.
    """
    found = launches.load(cluster.account, cluster.bucket, wanted)
    again = replace(cluster, config=found.config)
    guard(found.config, estimate(found.config, Workload(0, 0)))
    what = found.run["output"] if found.run else "without a job"
    confirm(f"Start {found.id} again ({found.config.backend}, {what})?")
    if found.run is None:
        backend = again.deploy()
        made = Launch(new_run_id(), found.config, backend.up())
        launches.save(cluster.account, cluster.bucket, made)
        return made
    fields = found.run | {
        name: tuple(found.run[name]) for name in ("sources", "include", "exclude")
    }
    run = RunConfig(**fields)
    backend = again.deploy(again.check_places(run))
    return again.submit(backend, run, again.upload_code(), alone=True)
