"""Help improve: an image is kept only when its owner says so, and gone when they say so."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from orchard.errors import TableError
from orchard.images.small import as_jpeg
from orchard.records import Failure
from orchard.store import contributions
from orchard.store.contributions import Contribution
from orchard.web.problems import Problem, unreadable
from orchard.web.services import Services

_log = logging.getLogger(__name__)
OTHER = "other"  # said to be: none of the species that can be told
SIDE = 640  # pixels of the longer side: nearly three times what the network sees


@dataclass(frozen=True, slots=True)
class Said:
    """What comes with an image; see `orchard.store.contributions.Contribution`."""

    taken_for: str | None
    said_to_be: str | None
    giver: str | None


def give(services: Services, client: str, data: bytes, said: Said) -> Contribution:
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
            taken_for=said.taken_for,
            said_to_be=said.said_to_be,
            giver=said.giver,
            code=code,
        )


def correct(services: Services, code: str, said_to_be: str) -> None:
    """Note what an image is said to be. Raises Problem 404, or 503 where it cannot be written."""
    parsed = contributions.parse_code(code)
    with _writing():
        done = parsed is not None and contributions.correct(services.output, parsed, said_to_be)
    if not done:
        raise _unknown_code()


def undo(services: Services, given: Contribution) -> None:
    """Erase an image whose code could not be sent to the person who gave it."""
    contributions.erase(services.output, given.code)
    services.places.leave(given.code)


def take_back(services: Services, code: str) -> None:
    """Erase an image for good. Raises Problem 404 where no image has this code, 503 where OUTPUT
    cannot be written."""
    parsed = contributions.parse_code(code)
    with _writing():
        erased = parsed is not None and contributions.erase(
            services.output, parsed, rows_later=True
        )
    if parsed is None or not erased:
        raise _unknown_code()
    services.places.leave(parsed)


def _unknown_code() -> Problem:
    return Problem(404, "no_such_code", "No image is stored under this code.")


@contextmanager
def _writing() -> Iterator[None]:
    """What goes wrong is logged without its text, which names the image's code."""
    try:
        yield
    except TableError as error:
        fields = {"error": type(error.__cause__ or error).__name__}
        _log.error("contributions cannot be written", extra={"fields": fields})
        raise Problem(503, "not_now", "This is not possible right now; try again later.") from None
