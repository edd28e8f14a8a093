"""`orchard view`."""

from __future__ import annotations

import threading
import webbrowser
from contextlib import ExitStack

import click

from orchard.cli.command import Command, existing_tables, source_option, storage_options
from orchard.cli.printing import echo
from orchard.errors import ConfigError, needs


@click.command(
    "view", cls=Command, short_help="Open a result's report, with its images at full size."
)
@click.argument("output", metavar="OUTPUT")
@click.option(
    "--port",
    default=None,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 for any free one. [default: the same for the same OUTPUT, if free]",
)
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open a browser.")
@source_option
@storage_options
def view_command(
    output: str,
    port: int | None,
    browser: bool,
    sources: tuple[str, ...],
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Open the report of OUTPUT in a browser, with the images at full size.

    It is the page of OUTPUT/report, whose cards then show an image as its source has it, in a
    folder, a bucket or an archive, instead of its thumbnail. Only this machine can reach the
    address. Only images that OUTPUT holds are shown, without EXIF and with at most 2048 pixels a
    side. Ctrl-C ends it.

    \b
    Examples:
      orchard view result
      orchard view s3://bucket/result --region eu-west-3 --no-browser
    """
    with needs("serve", "orchard view"):
        from orchard.web import view
        from orchard.web.metrics import Metrics
        from orchard.web.pictures import Pictures
        from orchard.web.pool import Pool
        from orchard.web.server import address, answer, listen
    from orchard.progress import Reporter
    from orchard.store import recorded_sources
    from orchard.web.settings import ServeConfig

    tables = existing_tables(output, endpoint_url, region)
    place = tables.output
    page = view.page_of(tables, Reporter().say)

    def config_of(port: int) -> ServeConfig:
        return ServeConfig(output=output, port=port, endpoint_url=endpoint_url, region=region)

    with ExitStack() as open_while:
        config = config_of(view.usual_port(place.root) if port is None else port)
        try:
            listening = listen(config)
        except ConfigError:
            if port is not None:
                raise
            listening = listen(config_of(0))
        open_while.enter_context(listening)
        confines = recorded_sources.confines(place, sources)
        paths = tables.read("features", ["path"])["path"]
        pictures = Pictures(paths, confines, config.storage, config.max_pixels)
        pool = Pool(config.n_workers, config.queue, config.answer_seconds)
        open_while.callback(pool.close)
        metrics = Metrics(pool)
        there = address(config, listening)
        echo(f"The report is at {there} (Ctrl-C stops it)")
        if pictures.n_outside:
            echo(
                f"{pictures.n_outside:,} images are outside the sources that the result's runs "
                "record and are shown as thumbnails; use --source to say where they may be read"
            )
        if browser:  # beside, as a browser of the terminal would wait for the server
            threading.Thread(target=webbrowser.open, args=(there,), daemon=True).start()
        app = view.create_app(page, pictures, pool, metrics)
        answer(config, app, listening, metrics.refused.inc, quiet=True)
