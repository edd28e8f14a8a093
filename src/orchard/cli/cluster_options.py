"""What the commands of `orchard cluster` share: options, credentials, questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from orchard.cli.command import Command
from orchard.cli.manifest_options import NAMES as MANIFEST
from orchard.cli.manifest_options import names_of
from orchard.cli.run import run_command
from orchard.cloud.releases import RELEASES
from orchard.config import OF_OPENVINO
from orchard.errors import ConfigError
from orchard.printable import printable

if TYPE_CHECKING:
    from orchard.aws.account import Account
    from orchard.aws.backend import Backend
    from orchard.aws.cluster import Cluster
    from orchard.aws.launch import Launch
    from orchard.cloud.settings import ClusterConfig
    from orchard.config import RunConfig

# Options of `orchard run` that a run on AWS has as well.
_SHARED = (
    *("weights", "size", "components", "no_standardize", "pca", "label", "include", "exclude"),
    *("limit", "broadcast", "max_errors", "retry_errors", "replace", "thumbnails", "findings"),
    *MANIFEST,
    *("precision", "view", "decode", "colour", "damaged", "max_pixels"),
)
SOURCE_OPTIONS = ("include", "exclude", "limit", "manifest", "labels")


class CloudCommand(Command):
    """A command whose trouble with AWS is one line."""

    def invoke(self, ctx: click.Context) -> Any:
        from orchard.aws.account import in_one_line

        callback = self.callback

        def guarded(*arguments: Any, **options: Any) -> Any:
            with in_one_line():
                return callback(*arguments, **options)  # type: ignore[misc]

        self.callback = guarded
        try:
            return super().invoke(ctx)
        finally:
            self.callback = callback


def cluster_options(command: Any) -> Any:
    """The fields of ClusterConfig; its defaults are the options'."""
    for option in reversed(
        (
            click.option("--region", help="In the EU; default what AWS's environment says."),
            click.option("--name", help="Of the stack; default orchard."),
            click.option(
                "--backend",
                type=click.Choice(["serverless", "ec2"]),
                help="EMR Serverless (default), or EMR on EC2.",
            ),
            click.option(
                "--release",
                type=click.Choice([*RELEASES]),
                help="Of EMR: emr-7 has Spark 3.5, emr-spark-8 Spark 4; default emr-7.13.0.",
            ),
            click.option("--workers", type=int, help="serverless: of 4 vCPUs, 12 GB; default 3."),
            click.option(
                "--architecture",
                type=click.Choice(["x86_64", "arm64"]),
                help="serverless: the processor; default x86_64.",
            ),
            click.option("--instance-type", help="ec2: of all nodes; default m5.xlarge."),
            click.option("--core", type=int, help="ec2: core nodes, on demand; default 1."),
            click.option("--task", type=int, help="ec2: task nodes; default 2."),
            click.option(
                "--spot/--no-spot",
                default=None,
                help="ec2: task nodes on Spot, on demand where there is none; default on.",
            ),
            click.option(
                "--max-cost",
                type=float,
                metavar="EUR",
                help="Start nothing that may cost more; default 10.",
            ),
            click.option(
                "--timeout",
                type=int,
                metavar="MINUTES",
                help="AWS ends it after this long, whatever it does; default 60.",
            ),
            click.option(
                "--idle",
                type=int,
                metavar="SECONDS",
                help="A cluster without work ends after this long, 60 to 604800; default 900.",
            ),
            click.option("--subnet", help="ec2: one of yours, instead of the stack's own."),
            click.option(
                "--bootstrap",
                metavar="SCRIPT",
                help="ec2: run on each node first; a file here, or s3://BUCKET/SCRIPT.",
            ),
            click.option("--key-name", help="ec2: an EC2 key pair, for `ui --socks`."),
            click.option(
                "--package",
                multiple=True,
                metavar="NAME==VERSION",
                help="Another package that jobs and notebooks can import.",
            ),
            click.option("--notebooks", is_flag=True, help="ec2: with JupyterHub."),
            click.option("--email", help="Whom AWS Budgets writes to at 50, 80 and 100 %."),
            click.option("--log-days", type=int, help="Keep logs and old versions; default 30."),
            click.option(
                "--eur-per-usd", type=float, help="Exchange rate; default that of the price table."
            ),
        )
    ):
        command = option(command)
    return command


def source_options(command: Any) -> Any:
    """The options of `orchard run` that say which images there are."""
    kept = [p for p in run_command.params if p.name in SOURCE_OPTIONS]
    command.__click_params__.extend(reversed(kept))
    return command


def run_options(command: Any) -> Any:
    """The options of `orchard run` that say what to compute, and --rate."""
    kept = [p for p in run_command.params if p.name in _SHARED]
    command = click.option(
        "--rate", type=float, metavar="N", help="Images a second of one slot, as measured."
    )(command)
    command.__click_params__.extend(reversed(kept))
    return command


def account_of(options: dict[str, Any]) -> Account:
    from orchard.aws.account import Account

    return Account(options.get("region"))


def config_of(options: dict[str, Any], region: str | None = None) -> ClusterConfig:
    """The settings; the region from the option, else from AWS's environment."""
    from orchard.aws.account import region_of_environment
    from orchard.cloud.regions import check_region
    from orchard.cloud.settings import ClusterConfig

    fields = {key: options.get(key) for key in ClusterConfig.__dataclass_fields__}
    given = {key: value for key, value in fields.items() if value is not None}
    given["region"] = check_region(region or options.get("region") or region_of_environment())
    return ClusterConfig(**given)


@dataclass(frozen=True, slots=True)
class Context:
    """What a command works with."""

    account: Account
    config: ClusterConfig
    cluster: Cluster

    def run_config(self, paths: tuple[str, ...], options: dict[str, Any]) -> RunConfig:
        from orchard.aws.named_images import with_source
        from orchard.config import RunConfig, parse_components

        if len(paths) < 2 and not options["manifest"]:
            raise ConfigError("give at least one SOURCE and, last, OUTPUT")
        given = {name: options[name] for name in _SHARED}
        given["standardize"] = not given.pop("no_standardize")
        given["components"] = parse_components(given["components"])
        given["keep_columns"] = names_of(given["keep_columns"])
        if given["precision"] in OF_OPENVINO and not self._brings("openvino"):
            raise ConfigError(
                f"--precision {given['precision']} needs OpenVINO on the cluster: add --package "
                "openvino==VERSION, or take int8"
            )
        return with_source(RunConfig(sources=paths[:-1], output=paths[-1], **given))

    def _brings(self, name: str) -> bool:
        return any(text.partition("==")[0] == name for text in self.config.package)

    def confirm(self, question: str, yes: bool) -> None:
        if not yes and not click.confirm(printable(question)):
            raise ConfigError("nothing was done; --yes does not ask")

    def guard_idle(self) -> float:
        """EUR at most of a cluster that nobody tells what to do; refused above --max-cost."""
        from orchard.cloud.estimate import Workload, estimate, guard

        found = estimate(self.config, Workload(0, 0))
        guard(self.config, found)
        return found.worst_eur

    def launch(self, launch_id: str | None) -> tuple[Backend, Launch]:
        """A launch, and the backend it ran on."""
        from dataclasses import replace

        from orchard.aws import launch

        found = launch.load(self.account, self.cluster.bucket, launch_id)
        return replace(self.cluster, config=found.config).backend(), found

    def known_outputs(self) -> dict[str, str]:
        """The stacks' outputs, or placeholders that show where they go."""
        from orchard.aws import stack

        cloud = self.account.client("cloudformation")
        outputs = {
            "BucketName": self.cluster.bucket,
            "JobRoleArn": f"arn:aws:iam::{self.account.number}:role/{self.config.name}-"
            f"{self.config.region}-job",
            "SubnetId": "SUBNET",
            "PrimaryGroupId": "PRIMARY-GROUP",
            "NodeGroupId": "NODE-GROUP",
        }
        for name in (self.config.name, stack.ec2_name(self.config.name)):
            if stack.describe(cloud, name):
                outputs |= stack.outputs(self.account, name)
        return outputs

    def known_backend(self) -> Backend:
        from orchard.aws.backend import backend_of

        return backend_of(self.account, self.config, self.known_outputs())


def context_of(options: dict[str, Any]) -> Context:
    """Settings first, so that a wrong one is reported before AWS is asked."""
    from orchard.aws.account import Account
    from orchard.aws.cluster import Cluster

    config = config_of(options)
    account = Account(config.region)
    return Context(account, config, Cluster(account, config))
