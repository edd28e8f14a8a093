"""Help improve: an image is kept only when its owner says so, and gone when they say so."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from orchard.errors import TableError
from orchard.images.small import as_jpeg
from orchard.records import Failure
from orchard.store import contributions
from orchard.store.contributions import Contribution
from orchard.web.problems import Problem, unreadable
from orchard.web.services import Services

_log = logging.getLogger(__name__)
SIDE = 640  # pixels of the longer side: nearly three times what the network sees


def give(
    services: Services,
    client: str,
    data: bytes,
    taken_for: str | None,
    said_to_be: str | None,
) -> Contribution:
    """Store what is left of an image without its EXIF. Raises Problem."""
    config = services.config
    with _writing(), services.places.one(client) as code:
        jpeg = as_jpeg(data, SIDE, config.max_pixels, config.decode_seconds)
        if isinstance(jpeg, Failure):
            raise unreadable(jpeg)
        return contributions.add(
            services.output,
            jpeg,
            keep_days=config.keep_days,
            taken_for=taken_for,
            said_to_be=said_to_be,
            code=code,
        )


def undo(services: Services, given: Contribution) -> None:
    """Erase an image whose code could not be sent to the person who gave it."""
    contributions.erase(services.output, given.code)
    services.places.leave(given.code)


def take_back(services: Services, code: str) -> None:
    """Erase an image for good. Raises Problem 404 where no image has this code, 503 where OUTPUT
    cannot be written."""
    parsed = contributions.parse_code(code)
    with _writing():
        erased = parsed is not None and contributions.erase(services.output, parsed)
    if parsed is None or not erased:
        raise Problem(404, "no_such_code", "No image is stored under this code.")
    services.places.leave(parsed)


@contextmanager
def _writing() -> Iterator[None]:
    """What goes wrong is logged without its text, which names the image's code."""
    try:
        yield
    except TableError as error:
        fields = {"error": type(error.__cause__ or error).__name__}
        _log.error("contributions cannot be written", extra={"fields": fields})
        raise Problem(503, "not_now", "This is not possible right now; try again later.") from None
