"""The one interface of EMR Serverless and EMR on EC2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from orchard.aws.account import Account
from orchard.aws.bill import Used
from orchard.aws.launch import Launch, State
from orchard.cloud.settings import ClusterConfig


class Backend(Protocol):
    """Where jobs run. `outputs` are those of the stacks; `code` is the archive's URL."""

    account: Account
    config: ClusterConfig
    outputs: dict[str, str]

    def up(self, code: str | None = None) -> str:
        """Have something that takes jobs; its id. code: the archive's URL, for notebooks there."""

    def request(self, url: str, code: str, cluster: str, *, alone: bool) -> tuple[str, str, Any]:
        """The API call (service, operation, parameters) that starts a job.

        url: the folder of its description. alone: no cluster runs, the job brings its own and ends
        it.
        """

    def running(self) -> str | None:
        """What takes jobs now, or does so at the first one; None where `up` has to make it."""

    def submit(
        self, url: str, code: str, cluster: str | None, begun: Callable[[str], object]
    ) -> tuple[str, str]:
        """Start a job; (cluster, job). Without a cluster it brings its own, which it ends.

        begun: called with a cluster that has just been started, before its job is known.
        """

    def look(self, launch: Launch) -> State:
        """How a job stands, or a cluster."""

    def stop(self, launch: Launch) -> None:
        """End a job, and the cluster that was started for it."""

    def used(self, launch: Launch) -> Used:
        """What a launch used so far, from the service's own account of it."""

    def logs(self, launch: Launch) -> list[str]:
        """Keys' beginnings in the bucket where the job's output is written."""

    def interfaces(self, launch: Launch) -> dict[str, str]:
        """Web pages of a launch by name, as addresses that can be opened now."""


def backend_of(account: Account, config: ClusterConfig, outputs: dict[str, str]) -> Backend:
    if config.is_serverless:
        from orchard.aws.serverless import Serverless

        return Serverless(account, config, outputs)
    from orchard.aws.emr import Ec2

    return Ec2(account, config, outputs)
