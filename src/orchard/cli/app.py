"""`orchard app`."""

from __future__ import annotations

from pathlib import Path

import click

from orchard.cli.command import Command, existing_result, storage_options
from orchard.cli.printing import echo

MOST_BYTES = 9_000_000  # of a first visit: half a minute of a slow mobile network


@click.command("app", cls=Command, short_help="Write the page that identifies photos by itself.")
@click.argument("output", metavar="OUTPUT")
@click.argument("folder", metavar="DIR")
@click.option("--classifier", metavar="ID", help="Default: the one trained last.")
@storage_options
def app_command(
    output: str,
    folder: str,
    classifier: str | None,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Write the page for phones, with the classifier in OUTPUT, as files in DIR.

    The page identifies photos in the browser: no photo leaves the phone, and after the first visit
    it works without a network. Any web server, a bucket or GitHub Pages can host DIR; browsers
    allow the camera and offline use over HTTPS only, or from localhost. Write DIR again after a new
    training: browsers then take the new version as a whole.

    DIR contains the classifier and no images, no paths and nothing of single images.

    \b
    Examples:
      orchard app result site
      python -m http.server --directory site
      aws s3 sync site s3://bucket --delete
    """
    from orchard.classify.files import load_classifier
    from orchard.errors import ConfigError
    from orchard.storage import is_remote
    from orchard.web.folder import write
    from orchard.web.site import site

    place = existing_result(output, endpoint_url, region)
    if is_remote(folder):
        raise ConfigError(f"DIR {folder}: expected a folder of this machine; copy it from there")
    made = site(load_classifier(place, classifier))
    write(made, Path(folder))
    sizes = ", ".join(f"{name} {size / 1e6:.2f}" for name, size in made.by_part.items())
    echo(f"First visit: {made.n_bytes / 1e6:.1f} MB ({sizes})")
    if made.n_bytes > MOST_BYTES:
        echo(
            f"That is more than {MOST_BYTES / 1e6:.0f} MB; fewer --components, --precision int8 "
            "and fewer networks make it smaller"
        )
    echo(f"Page: {Path(folder) / 'index.html'}, to be opened through a web server")
