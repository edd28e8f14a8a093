"""The commands of `orchard cluster` about what has been started: look at it, repeat it, end it."""

from __future__ import annotations

from typing import Any

import click

from orchard.aws.tunnel import PAGES
from orchard.cli.cluster_options import CloudCommand, cluster_options, context_of
from orchard.cli.printing import echo, show
from orchard.errors import ConfigError, OrchardError


@click.command("status", cls=CloudCommand, short_help="How a run stands.")
@click.argument("launch_id", metavar="[ID]", required=False)
@cluster_options
def status_command(launch_id: str | None, **options: Any) -> None:
    """How a run or a cluster stands, and what it used so far; the newest, or that of ID."""
    from orchard.aws import bill
    from orchard.aws.follow import progress_of
    from orchard.cloud.prices import Prices

    context = context_of(options)
    backend, found = context.launch(launch_id)
    state = backend.look(found)
    echo(f"{found.id} on {found.cluster}: {state.name}{f' ({state.detail})' * bool(state.detail)}")
    told = progress_of(context.account, found)
    if told.get("total"):
        echo(f"{told['done']:,} of {told['total']:,} images, {told['errors']:,} errors")
    rate = found.config.eur_per_usd or Prices.of(context.account.region).eur_per_usd
    show(*bill.shown("used so far", backend.used(found), rate, found.id))


@click.command("logs", cls=CloudCommand, short_help="What a run has written.")
@click.argument("launch_id", metavar="[ID]", required=False)
@cluster_options
def logs_command(launch_id: str | None, **options: Any) -> None:
    """The driver's output of a run; the newest, or that of ID. It arrives within five minutes."""
    from orchard.aws.logs import lines

    context = context_of(options)
    backend, found = context.launch(launch_id)
    n_lines = 0
    for line in lines(context.account, context.cluster.bucket, backend.logs(found)):
        echo(line.expandtabs())
        n_lines += 1
    if not n_lines:
        raise OrchardError(
            f"{found.id} has written nothing yet; EMR brings logs every five minutes"
        )


@click.command("ui", cls=CloudCommand, short_help="Open a run's web pages.")
@click.argument("launch_id", metavar="[ID]", required=False)
@click.option(
    "--page",
    type=click.Choice([*PAGES]),
    help="Of an EC2 cluster, through Session Manager; no port is opened.",
)
@click.option("--node", metavar="ADDRESS", help="For a core or task node's page: its address.")
@click.option("--port", type=int, help="Of the page on the node, where a release has another.")
@click.option(
    "--socks",
    type=click.Path(exists=True, dir_okay=False),
    metavar="KEY",
    help="A SOCKS proxy for all pages and their links; KEY is --key-name's private half.",
)
@cluster_options
def ui_command(
    launch_id: str | None,
    page: str | None,
    node: str | None,
    port: int | None,
    socks: str | None,
    **options: Any,
) -> None:
    """Addresses of a run's web pages, or a tunnel to them.

    Without --page: the Spark UI of EMR Serverless, or the history server that AWS keeps off the
    cluster. An open page or notebook keeps a cluster from being idle.
    """
    from orchard.aws.emr import Ec2
    from orchard.aws.ui import hold_page, hold_proxy

    context = context_of(options)
    backend, found = context.launch(launch_id)
    if page is None and socks is None:
        for name, address in backend.interfaces(found).items():
            echo(f"{name}: {address}")
        return
    if not isinstance(backend, Ec2):
        wanted = f"--page {page}" if page else "--socks"
        raise ConfigError(f"{wanted}: only a cluster on EC2 has it; leave it out")
    if socks:
        hold_proxy(backend, found, socks, echo)
    else:
        hold_page(backend, found, str(page), node, port, echo)


@click.command("clone", cls=CloudCommand, short_help="Start an identical cluster.")
@click.argument("launch_id", metavar="[ID]", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@cluster_options
def clone_command(launch_id: str | None, yes: bool, **options: Any) -> None:
    """Start a cluster, or a run, again as it was; the newest, or that of ID."""
    from orchard.aws.clone import clone

    context = context_of(options)
    made = clone(context.cluster, launch_id, lambda text: context.confirm(text, yes))
    echo(f"{made.id}: {made.job or 'no job'} on {made.cluster}")


@click.command("list", cls=CloudCommand, short_help="Look for what was forgotten.")
@click.option("--all-regions", is_flag=True, help="In every allowed region that the account has.")
@cluster_options
def list_command(all_regions: bool, **options: Any) -> None:
    """Everything of Orchard's in the account: stacks, clusters, applications, buckets."""
    from orchard.aws.account import Account
    from orchard.aws.sweep import enabled, look
    from orchard.aws.words import found_table
    from orchard.cli.cluster_options import account_of

    accounts = [Account(name) for name in enabled()] if all_regions else [account_of(options)]
    found = [item for account in accounts for item in look(account)]
    if found:
        show(found_table(found))
    else:
        echo(f"nothing of Orchard's in {', '.join(a.region for a in accounts)}")


@click.command("down", cls=CloudCommand, short_help="End clusters; with --everything, all.")
@click.option("--everything", is_flag=True, help="Also the bucket with all results, and the stack.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@cluster_options
def down_command(everything: bool, yes: bool, **options: Any) -> None:
    """End clusters and job runs. With --everything: images, results and the stack are gone too.

    Interrupted, run the same command again to continue. At the end it looks again and lists what
    is left.
    """
    from orchard.aws import teardown

    context = context_of(options)
    name, say = context.config.name, context.cluster.reporter.say
    if not everything:
        teardown.stop_all(context.account, name, say)
        rent = teardown.rent(context.account, name)
        echo(f"nothing is running; the bucket and the stack stay, for {rent}")
        return
    context.confirm(f"Delete s3://{context.cluster.bucket} with all results, and the stack?", yes)
    left = teardown.remove_all(context.account, name, say)
    if left:
        raise OrchardError(f"still there: {'; '.join(left)}; run the same command again")
    echo(f"nothing of {name} is left in {context.config.region}")
