"""Under which names a server that only this machine can reach is asked for."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from orchard.web.problems import Problem, problem_response

_FOREIGN = Problem(
    421,
    "misdirected_request",
    "This server answers to localhost alone; `orchard serve --host` opens it to others, and "
    "--behind-proxy to a proxy.",
)


class OwnNames:
    """Answers 421 to every name but localhost and loopback addresses.

    Any site may point a name of its own at 127.0.0.1, and its page would then read what is served
    there as its own (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, problem: Problem = _FOREIGN) -> None:
        self._app = app
        self._problem = problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_own(Headers(scope=scope).get("host", "localhost")):
            await self._app(scope, receive, send)
            return
        response = await problem_response(Request(scope), self._problem)
        await response(scope, receive, send)


def _is_own(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
