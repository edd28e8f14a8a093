"""Which language an answer is in: the one asked for, else the one the browser prefers."""

from __future__ import annotations

from starlette.requests import Request

from orchard.knowledge import LANGUAGES
from orchard.knowledge.taxonomy import Lang
from orchard.web.problems import Problem


def language_of(request: Request) -> Lang:
    """?lang= where it is given, else Accept-Language, else English. Raises Problem 400."""
    asked = request.query_params.get("lang")
    if asked is None:
        return preferred(request.headers.get("accept-language", ""))
    for language in LANGUAGES:
        if asked == language:
            return language
    raise Problem(400, "no_such_language", f"lang: expected one of {', '.join(LANGUAGES)}.")


def preferred(header: str) -> Lang:
    """The first of our languages by weight, RFC 9110 section 12.5.4."""
    ranked: list[tuple[float, int, Lang]] = []
    for place, entry in enumerate(header[:1000].split(",")):
        tag, _, weight = entry.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        primary = tag.strip().lower().split("-")[0]
        ranked += [(-quality, place, own) for own in LANGUAGES if own == primary and quality > 0]
    return min(ranked)[2] if ranked else LANGUAGES[0]
