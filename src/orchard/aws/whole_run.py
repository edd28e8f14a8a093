"""`orchard cluster run`: from the estimate to the bill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from orchard.aws import bill, packed, sync
from orchard.aws.cluster import Cluster
from orchard.aws.follow import follow
from orchard.aws.launch import SUCCEEDED, Launch
from orchard.aws.words import estimate_tables
from orchard.cloud.regions import bucket_of
from orchard.config import RunConfig
from orchard.errors import ConfigError, OrchardError
from orchard.storage import is_remote, split

REPORT, TABLES = "report", "tables"  # what of a result comes back
FETCHED = ("report/", "runs/", "explained_variance.csv")


def whole_run(
    cluster: Cluster,
    run: RunConfig,
    rate: float | None,
    confirm: Callable[[str], None],
    fetch: str = REPORT,
) -> Launch:
    """Do it all; raises OrchardError if the run failed. The cluster ends in any case.

    fetch: "report", with the record and the variances, or "tables", which is all of the result.
    """
    if fetch == TABLES and is_remote(run.output):
        raise ConfigError(f"--fetch tables: OUTPUT {run.output} is no folder on this machine")
    console = cluster.reporter.console
    access = cluster.check_places(run)
    uploads = cluster.plan_upload(run)
    work = cluster.workload(run, uploads, rate)
    expected = cluster.estimate(work)
    for part in estimate_tables(cluster.config, work, expected):
        console.print(part)
    cluster.check_account()
    confirm("Start it?")
    backend = cluster.deploy(access)
    code = cluster.upload_code()
    cluster.upload_images(uploads, run)
    made = cluster.submit(backend, packed.placed(run, uploads), code, alone=True, expected=expected)
    cluster.reporter.say(
        f"{made.id}: job {made.job} on {made.cluster}; Ctrl-C stops only the watching"
    )
    state, _ = follow(cluster.account, backend, made, cluster.reporter)
    if not cluster.config.is_serverless:
        cluster.reporter.say(f"ending cluster {made.cluster}")
        backend.stop(made)
    if state.phase == SUCCEEDED:  # before the bill, which somebody may not want to wait for
        _fetch(cluster, run, made, fetch)
    used = bill.wait_for(backend, made, cluster.reporter)
    for part in bill.shown("used", used, expected.eur_per_usd, made.id):
        console.print(part)
    low, high = expected.total_eur
    cluster.reporter.say(f"estimated: {low:.2f} to {high:.2f} EUR; AWS's own bill lags by hours")
    if state.phase != SUCCEEDED:
        raise OrchardError(
            f"{made.id}: {state.name}{f': {state.detail}' if state.detail else ''}; "
            f"`orchard cluster logs {made.id}` shows what it wrote"
        )
    cluster.reporter.say(f"Result: {(made.run or {})['output']}")
    return made


def _fetch(cluster: Cluster, run: RunConfig, made: Launch, what: str) -> None:
    """Report, record and variances to where the user asked for them; or all that the run wrote."""
    assert made.run is not None
    url = made.run["output"]
    if not is_remote(run.output):
        folder, (_, prefix) = Path(run.output), split(url)
        for part in FETCHED if what == REPORT else ("",):
            target = folder / part if part.endswith("/") else folder
            key = f"{prefix}/{part}"
            if key.endswith("/"):
                sync.fetch(cluster.account, bucket_of(url), key, target)
            else:
                sync.fetch_one(cluster.account, bucket_of(url), key, target / part)
