"""Help improve: an image is kept only when its owner says so, and gone when they say so."""

from __future__ import annotations

from orchard.records import Failure
from orchard.store import contributions
from orchard.store.contributions import Contribution
from orchard.web.pictures import as_jpeg
from orchard.web.problems import Problem, unreadable
from orchard.web.services import Services

SIDE = 640  # pixels of the longer side: nearly three times what the network sees


def give(
    services: Services, data: bytes, taken_for: str | None, said_to_be: str | None
) -> Contribution:
    """Store what is left of an image without its EXIF. Raises Problem."""
    config = services.config
    jpeg = as_jpeg(data, SIDE, config.max_pixels)
    if isinstance(jpeg, Failure):
        raise unreadable(jpeg)
    if len(contributions.codes(services.output)) >= config.max_contributions:
        raise Problem(503, "full", "No more images are kept at present; thank you all the same.")
    return contributions.add(
        services.output,
        jpeg,
        keep_days=config.keep_days,
        taken_for=taken_for,
        said_to_be=said_to_be,
    )


def take_back(services: Services, code: str) -> None:
    """Erase an image for good. Raises Problem 404 where no image has this code."""
    parsed = contributions.parse_code(code)
    if parsed is None or not contributions.erase(services.output, parsed):
        raise Problem(404, "no_such_code", "No image is kept under this code.")
