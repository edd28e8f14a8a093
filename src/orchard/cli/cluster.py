"""`orchard cluster`: on AWS, inside the EU, inside a budget."""

from __future__ import annotations

import json
from typing import Any

import click

from orchard.cli import cluster_plan, cluster_started
from orchard.cli.cluster_options import (
    SOURCE_OPTIONS,
    CloudCommand,
    cluster_options,
    context_of,
    run_options,
    source_options,
)
from orchard.cli.printing import echo, echo_text, show
from orchard.errors import ConfigError


@click.group("cluster", short_help="Run on AWS, inside the EU and a budget.")
def cluster_group() -> None:
    """Run on AWS: EMR Serverless or EMR on EC2, in a region of the EU, inside a budget.

    Credentials are those of the aws command line. Nothing is started before you see its price, and
    nothing whose price by the hour times its longest time exceeds --max-cost.

    \b
    Examples:
      orchard cluster estimate photos --region eu-west-3
      orchard cluster run photos result --region eu-west-3
      orchard cluster list --all-regions
      orchard cluster down --everything

    No real account has run these commands yet; they are tested against moto, cfn-lint and
    botocore's own model of AWS.
    """


@cluster_group.command("estimate", cls=CloudCommand, short_help="What it would take and cost.")
@click.argument("sources", metavar="[SOURCE...]", nargs=-1)
@click.option("--images", type=int, metavar="N", help="How many, where no SOURCE is given.")
@click.option("--rate", type=float, metavar="N", help="Images a second of one slot, as measured.")
@click.option("--measure", is_flag=True, help="Time some of the images here for --rate.")
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    help="The network it is timed with, or several.",
)
@click.option("--refresh-prices", is_flag=True, help="Ask AWS's price list first (credentials).")
@click.option("--sources-of-prices", is_flag=True, help="Show where each price was found.")
@source_options
@cluster_options
def estimate_command(
    sources: tuple[str, ...],
    images: int | None,
    rate: float | None,
    measure: bool,
    weights: str,
    refresh_prices: bool,
    sources_of_prices: bool,
    **options: Any,
) -> None:
    """Tell what embedding the images in SOURCE would take and cost, without starting anything.

    Needs no AWS account, unless a SOURCE is a bucket. --rate is what `orchard run --dry-run` shows.
    """
    from orchard.aws.local import measure_folders, measure_named, measure_rate
    from orchard.aws.price_list import refresh
    from orchard.aws.words import estimate_tables
    from orchard.cli.cluster_options import account_of, config_of
    from orchard.cloud.estimate import IMAGES_PER_SECOND, Workload, cheaper, estimate, guard
    from orchard.cloud.prices import Prices
    from orchard.config import RunConfig

    config = config_of(options)
    if refresh_prices:
        prices = refresh(account_of(options), config.region, [config.instance_type])
    else:
        prices = Prices.of(config.region)
    if sources or options["manifest"]:
        given = {name: options[name] for name in SOURCE_OPTIONS}
        run = RunConfig(sources=sources, output="unused", weights=weights, replace=True, **given)
        if run.manifest:
            has_internet = not config.is_serverless
            n, size, uploads = measure_named(run, config.region, has_internet=has_internet)
        else:
            n, size, uploads = measure_folders(run, config.region)
        rate = measure_rate(run) if measure else rate
    elif images:
        n, size, uploads = images, 0, images
    else:
        raise ConfigError("give a SOURCE, --manifest FILE, or --images N")
    work = Workload(
        n, size, rate or IMAGES_PER_SECOND, is_measured=rate is not None, uploads=uploads
    )
    work = cheaper(work.by(weights), prices)
    found = estimate(config, work, prices)
    show(*estimate_tables(config, work, found))
    if sources_of_prices:
        for name, source in prices.sources():
            echo(f"{name}: {source}")
    guard(config, found)


@cluster_group.command("up", cls=CloudCommand, short_help="Make the stack; on EC2 a cluster too.")
@click.option("--source-bucket", multiple=True, help="Another bucket that jobs may read.")
@click.option(
    "--output-bucket",
    multiple=True,
    metavar="s3://BUCKET/FOLDER",
    help="Another place where jobs may write results.",
)
@click.option("--print-cli", is_flag=True, help="Show the aws command for the cluster, start none.")
@click.option("--as-json", is_flag=True, help="With it: RunJobFlow's parameters, as Airflow wants.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@cluster_options
def up_command(
    source_bucket: tuple[str, ...],
    output_bucket: tuple[str, ...],
    print_cli: bool,
    as_json: bool,
    yes: bool,
    **options: Any,
) -> None:
    """Make or update what lasts (bucket, roles, logs, budget); on EC2 also start a cluster.

    Interrupted, run it again and it continues. The cluster ends by itself when idle and when its
    --timeout is over.
    """
    from orchard.aws.print_cli import aws_command
    from orchard.aws.run_job_flow import run_job_flow

    context = context_of(options)
    config, cluster = context.config, context.cluster
    access = cluster.access(tuple(f"s3://{name}" for name in source_bucket), output_bucket)
    most = context.guard_idle()
    if print_cli:
        outputs = context.known_outputs()
        code = f"s3://{cluster.bucket}/code/ARCHIVE.zip"
        request = run_job_flow(config, outputs, code=code)
        line = aws_command("emr", "RunJobFlow", request, config.region)
        echo_text(json.dumps(request, indent=1) if as_json else line)
        return
    cluster.check_account()
    started = "" if config.is_serverless else f", and start a cluster for at most {most:.2f} EUR"
    context.confirm(f"Make the stack {config.name} in {config.region}{started}?", yes)
    made = cluster.start(access)
    echo(f"{made.cluster} is ready or on its way; bucket: s3://{cluster.bucket}")


@cluster_group.command("submit", cls=CloudCommand, short_help="Send a run to what `up` made.")
@click.argument("paths", metavar="SOURCE... OUTPUT", nargs=-1, required=True)
@click.option("--print-cli", is_flag=True, help="Show the aws command, send nothing.")
@click.option(
    "--on-upload",
    is_flag=True,
    help="Not now, but whenever an object named images/..._READY is put into the bucket.",
)
@run_options
@cluster_options
def submit_command(
    paths: tuple[str, ...], print_cli: bool, on_upload: bool, **options: Any
) -> None:
    """Send a run to what `up` made, and return; `status` and `logs` show its progress.

    SOURCE and OUTPUT are as in `orchard cluster run`; a SOURCE in another bucket needs
    `orchard cluster up --source-bucket`, an OUTPUT there `--output-bucket`.
    """
    from orchard.aws import packed
    from orchard.aws.on_upload import install
    from orchard.aws.print_cli import aws_command
    from orchard.aws.words import estimate_tables

    context = context_of(options)
    run = context.run_config(paths, options)
    now = not (print_cli or on_upload)
    cluster = context.cluster.as_running() if now else context.cluster
    access = cluster.check_places(run)
    if now:
        cluster.check_granted(run, access)
    uploads = cluster.plan_upload(run)
    work = cluster.workload(run, uploads, options.get("rate"))
    expected = cluster.estimate(work)
    if print_cli:
        backend = context.known_backend()
        url, code = f"s3://{cluster.bucket}/jobs/ID", f"s3://{cluster.bucket}/code/ARCHIVE.zip"
        where = backend.running()
        alone = where is None and not context.config.is_serverless
        service, call, request = backend.request(url, code, where or "APPLICATION", alone=alone)
        echo(aws_command(service, call, request, context.config.region))
        return
    show(*estimate_tables(cluster.config, work, expected))
    if cluster.config.is_serverless:
        cluster.check_account()
    backend = cluster.backend()
    code = cluster.upload_code()
    cluster.upload_images(uploads, run)
    run = packed.placed(run, uploads)
    if on_upload:
        name = install(cluster, backend, run, code)
        echo(f"{name}: runs whenever s3://{cluster.bucket}/images/..._READY is put")
        return
    made = cluster.submit(backend, run, code, alone=False, expected=expected)
    echo(f"{made.id}: job {made.job} on {made.cluster}")


@cluster_group.command("run", cls=CloudCommand, short_help="Estimate, run, follow, show the bill.")
@click.argument("paths", metavar="SOURCE... OUTPUT", nargs=-1, required=True)
@click.option(
    "--fetch",
    type=click.Choice(["report", "tables"]),
    default="report",
    show_default=True,
    help="What comes into OUTPUT: the report, or the whole result with its tables.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@run_options
@cluster_options
def run_command(paths: tuple[str, ...], fetch: str, yes: bool, **options: Any) -> None:
    """Estimate, confirm, deploy, upload, run, follow, fetch the report, end, and show the bill.

    SOURCE is a folder, which is uploaded, or s3://BUCKET/FOLDER in the EU, which is read where it
    is. OUTPUT is a folder: the result stays in the bucket under results/, and its report, its
    record and its variances are fetched into OUTPUT (with --fetch tables, all of it). Or OUTPUT is
    s3://BUCKET/FOLDER, where the result is written. Ctrl-C stops watching, not the run.
    """
    from orchard.aws.whole_run import whole_run

    context = context_of(options)
    run = context.run_config(paths, options)
    rate = options.get("rate")
    whole_run(context.cluster, run, rate, lambda text: context.confirm(text, yes), fetch)


for command in (
    cluster_plan.prices_command,
    cluster_plan.permissions_command,
    cluster_started.status_command,
    cluster_started.logs_command,
    cluster_started.ui_command,
    cluster_started.clone_command,
    cluster_started.list_command,
    cluster_started.down_command,
):
    cluster_group.add_command(command)
