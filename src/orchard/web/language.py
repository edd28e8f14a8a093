"""Which language an answer is in: the one asked for, else the one the browser prefers."""

from __future__ import annotations

from starlette.requests import Request

from orchard.knowledge import LANGUAGES
from orchard.web.problems import Problem


def language_of(request: Request) -> str:
    """?lang= where it is given, else Accept-Language, else English. Raises Problem 400."""
    asked = request.query_params.get("lang")
    if asked is None:
        return preferred(request.headers.get("accept-language", ""))
    if asked not in LANGUAGES:
        raise Problem(400, "no_such_language", f"lang: expected one of {', '.join(LANGUAGES)}.")
    return asked


def preferred(header: str) -> str:
    """The first of our languages by weight, RFC 9110 section 12.5.4."""
    ranked: list[tuple[float, int, str]] = []
    for place, entry in enumerate(header[:1000].split(",")):
        tag, _, weight = entry.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        language = tag.strip().lower().split("-")[0]
        if language in LANGUAGES and quality > 0:
            ranked.append((-quality, place, language))
    return min(ranked)[2] if ranked else LANGUAGES[0]
