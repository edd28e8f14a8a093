"""Where a run reads and where it writes, and whether one is in the way of the other.

OUTPUT may lie inside a SOURCE (`orchard run . result`): it is left out of the listing, as every
other result is. The other way round, images that lie where OUTPUT would put its tables are refused
before anything is written. (The listing refuses a SOURCE that is itself a result, as when the
arguments are swapped.)
"""

from __future__ import annotations

import os

from orchard.config import RunConfig
from orchard.errors import ConfigError
from orchard.images import junk, local
from orchard.images.source import Listing
from orchard.progress import Reporter
from orchard.storage import is_remote
from orchard.store import ownership
from orchard.store.accepted import FOLDER as ACCEPTED
from orchard.store.names import is_taken
from orchard.store.output import Output


def check(config: RunConfig, output: Output) -> None:
    """Raises ConfigError where OUTPUT lies at or above a SOURCE, TableError where it is somebody
    else's, SourceError where there is no such SOURCE."""
    for source in config.sources:
        for place in [source.rstrip("/")] if is_remote(source) else local.expand(source):
            below = _below(output, place)
            if below is not None and not _may_stay(output, below):
                raise ConfigError(
                    f"OUTPUT {config.output} is, or holds, the SOURCE {source}: expected a folder "
                    "of its own, such as result; nothing is written"
                )
    ownership.check(output)


def say(listing: Listing, reporter: Reporter) -> None:
    """Say which results were left out of a listing, and what was passed over."""
    if passed_over := junk.sentence(listing.passed_over):
        reporter.say(passed_over)
    for place in listing.left_out:
        reporter.say(f"left out: {place} is a result of Orchard")


def _below(output: Output, place: str) -> str | None:
    """The path of a place below OUTPUT, links resolved, "" for OUTPUT itself; None elsewhere."""
    if output.is_local == is_remote(place):
        return None
    if not output.is_local:
        root = output.root.rstrip("/")
        if place == root:
            return ""
        return place[len(root) + 1 :] if place.startswith(f"{root}/") else None
    real, root = os.path.realpath(place), os.path.realpath(output.root)
    if real == root:
        return ""
    inside = os.path.commonpath([real, root]) == root
    return os.path.relpath(real, root) if inside else None


def _may_stay(output: Output, below: str) -> bool:
    """Whether a result that was once made above its images, out of their way, may go on there; so
    may one that holds accepted photos."""
    is_apart = below.split("/")[0] == ACCEPTED or not is_taken(below)
    return bool(below) and is_apart and ownership.is_result(output)
