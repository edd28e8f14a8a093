"""The command line: parse, call, render errors. No logic lives here.

Heavy modules are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import click

from orchard._version import __version__
from orchard.cli.app import app_command
from orchard.cli.clean import dedupe_command, findings_command, split_command
from orchard.cli.cluster import cluster_group
from orchard.cli.command import INTERRUPTED, Commands
from orchard.cli.erase import erase_command, readmit_command
from orchard.cli.models import models_command
from orchard.cli.pack import pack_command
from orchard.cli.predict import predict_command
from orchard.cli.privacy import privacy_command
from orchard.cli.report import report_command
from orchard.cli.result import (
    compare_command,
    export_command,
    optimize_command,
    vacuum_command,
)
from orchard.cli.review import review_command
from orchard.cli.run import run_command
from orchard.cli.sample import sample_command
from orchard.cli.search import search_command
from orchard.cli.serve import serve_command
from orchard.cli.train import train_command
from orchard.cli.view import view_command

__all__ = ["EXIT_CODES", "INTERRUPTED", "main"]

EXIT_CODES = """\b
Exit codes:
  0  done                          5  OUTPUT cannot be read, written or mixed
  1  any other error               6  no such PCA exists for these features
  2  a setting is wrong            7  too many images failed
  3  nothing to read               8  the counts do not add up
  4  weights missing or wrong      9  compare: the results differ
                                  10  no such classifier can be trained or loaded
                                  11  erase: some paths matched nothing
                                 130  interrupted; what was embedded is kept
"""


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES
)
@click.version_option(__version__, prog_name="orchard")
def main() -> None:
    """Turn a folder of images into reduced features, on Spark.

    \b
    Try it:
      orchard sample fruits               render 494 pictures of fruit
      orchard run fruits result           features, PCA, tables in result/
      orchard export result --format csv  the components as one CSV
    """
    from orchard.machine import few_arenas

    few_arenas()


for command in (
    run_command,
    report_command,
    findings_command,
    dedupe_command,
    split_command,
    view_command,
    train_command,
    predict_command,
    search_command,
    app_command,
    serve_command,
    review_command,
    pack_command,
    compare_command,
    export_command,
    erase_command,
    readmit_command,
    vacuum_command,
    optimize_command,
    models_command,
    sample_command,
    cluster_group,
    privacy_command,
):
    main.add_command(command)
