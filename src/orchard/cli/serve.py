"""`orchard serve`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import click

from orchard.cli.command import Command, source_option, storage_options
from orchard.cli.printing import echo, echo_drawing
from orchard.errors import needs

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@click.command(
    "serve", cls=Command, short_help="Serve the classifier: a page for phones, and an API."
)
@click.argument("output", metavar="OUTPUT")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 opens it to the network.",
)
@click.option("--port", default=8000, show_default=True, help="0 for any free port.")
@click.option("--classifier", metavar="ID", help="Default: the one trained last.")
@click.option("--workers", default=0, help="Images processed at once. [default: one per core]")
@click.option(
    "--queue", default=64, show_default=True, help="Images that may wait; any more get 503."
)
@click.option(
    "--max-bytes", default=20 * 1024**2, show_default=True, help="Largest image, in bytes."
)
@click.option(
    "--max-pixels", default=50_000_000, show_default=True, help="Largest image, in pixels."
)
@click.option(
    "--head-seconds",
    default=10.0,
    show_default=True,
    help="Time for a request's headers, or to read an answer.",
)
@click.option(
    "--upload-seconds",
    default=30.0,
    show_default=True,
    help="Time for an image to arrive; then 408.",
)
@click.option(
    "--answer-seconds",
    default=10.0,
    show_default=True,
    help="Time to wait for an answer; then 503.",
)
@click.option(
    "--rate",
    default=60,
    show_default=True,
    help="Images per minute from one address, then 429; 0 for no limit. None for this machine, "
    "if nothing else can reach the server.",
)
@click.option(
    "--connections", default=2000, show_default=True, help="Connections open at once; then 503."
)
@click.option(
    "--connections-per-address",
    default=250,
    show_default=True,
    help="Of one address; then 503. A proxy on this machine has no such limit.",
)
@click.option(
    "--contributions/--no-contributions",
    default=True,
    show_default=True,
    help="Let people leave an image if they choose to.",
)
@click.option("--keep-days", default=90, show_default=True, help="How long such images are kept.")
@click.option(
    "--behind-proxy",
    is_flag=True,
    help="Trust X-Forwarded-For, -Proto and -Host from a proxy on this machine.",
)
@click.option(
    "--thumbnails/--no-thumbnails",
    default=True,
    show_default=True,
    help="Show known images with an answer, read from their source.",
)
@click.option("--quiet", is_flag=True, help="No log line for each request.")
@source_option
@storage_options
def serve_command(output: str, quiet: bool, **options: Any) -> None:
    """Serve the classifier in OUTPUT: a page for phones, and an HTTP API.

    Open the address that is printed, on this machine; nothing else can reach it unless --host says
    so. With --host 0.0.0.0 it also prints the address for phones in your network, and a QR code of
    it in a terminal. Phones let a page be installed only over HTTPS, so to serve others for long,
    put a proxy with a certificate in front of it (--behind-proxy).

    Images are held in memory only, and dropped once they are answered. If somebody chooses to leave
    one to improve the classifier, it is kept without EXIF in OUTPUT/contributions, for --keep-days
    at most, and they get a random code: `orchard erase OUTPUT --contribution CODE` erases it. Log
    lines on standard error hold no personal data; they are JSON, but words in a terminal.

    \b
    Addresses:
      /                        the page, in English and French
      /api/identify            POST an image
      /api/openapi.json        all of the API
      /health /ready /metrics  for monitoring

    \b
    Examples:
      orchard serve result
      curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' localhost:8000/api/identify
      orchard serve result --host 0.0.0.0 --port 80 --rate 30
    """
    for variable in _ONE_THREAD:  # read when NumPy is first imported: a worker is one thread
        os.environ.setdefault(variable, "1")
    with needs("serve", "orchard serve"):
        from orchard.web.reachable import on_the_network, qr_code
        from orchard.web.server import address, listen, serve
        from orchard.web.services import Services
    from orchard.web.settings import ServeConfig

    config = ServeConfig(output=output, **options)
    services = Services(config)
    with listen(config) as listening:
        echo(f"Serving on {address(config, listening)} (Ctrl-C stops it)")
        if there := on_the_network(config, listening):
            echo(f"On your network: {there}")
            if sys.stdout.isatty() and sys.stdout.encoding.lower() in ("utf-8", "utf8"):
                with suppress(ModuleNotFoundError):  # an older installation serves all the same
                    echo_drawing(qr_code(there))
        if services.n_outside:  # on standard error a line may have to be JSON
            echo(
                f"{services.n_outside:,} known images are outside the sources that the result's "
                "runs record and are not shown; use --source to say where they may be read"
            )
        serve(config, services, listening, quiet=quiet)
