"""From where a request that changes something may come: this server's own pages, or no page."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from orchard.web.problems import Problem, problem_response

_SAFE = ("GET", "HEAD", "OPTIONS")
_PORTS = {"http": 80, "https": 443}
_FOREIGN = Problem(
    403,
    "cross_site",
    "Pages of other origins cannot send or erase images here. If this is the server's own page, "
    "its proxy must pass on Host and X-Forwarded-Proto.",
)


class OwnOrigin:
    """Answers 403 to what a page of another origin sends, unless it only reads.

    Browsers say where a page is from in Sec-Fetch-Site, but only to HTTPS and to this machine, and
    in Origin with everything that is no GET: it must be scheme, host and port that were asked for.
    Another port of this machine is another origin. Programs that are no browser send neither.
    """

    def __init__(self, app: ASGIApp, *, behind_proxy: bool) -> None:
        self._app = app
        self._behind_proxy = behind_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _SAFE or self._is_own(scope):
            await self._app(scope, receive, send)
            return
        response = await problem_response(Request(scope), _FOREIGN)
        await response(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return False
        origins = headers.getlist("origin")
        if not origins:
            return True
        forwarded = headers.get("x-forwarded-host") if self._behind_proxy else None
        asked = f"{scope.get('scheme', 'http')}://{forwarded or headers.get('host', '')}"
        own = _origin(asked)
        return own is not None and all(_origin(origin) == own for origin in origins)


def _origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no origin, such as "null"."""
    try:
        found = urlsplit(text.strip())
        port = found.port or _PORTS.get(found.scheme)
    except ValueError:
        return None
    rest = found.path or found.query or found.fragment or "@" in found.netloc
    if not found.hostname or port is None or rest:
        return None
    return found.scheme, found.hostname, port
