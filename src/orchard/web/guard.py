"""Around every request: security headers, one log line, one count."""

from __future__ import annotations

import asyncio
import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchard.web.headers import HEADERS
from orchard.web.logs import REQUESTS
from orchard.web.metrics import Metrics
from orchard.web.pool import busy
from orchard.web.problems import problem_response

CLIENT_GONE = 499  # as nginx counts it; nobody receives it
_log = logging.getLogger(REQUESTS)


class Guard:
    """routes: the template of each endpoint, which is what is logged and counted."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: dict[object, str]) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, sent, started = 0, 0, time.perf_counter()

        async def guarded(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, guarded)
        except Exception as error:
            _log.exception("unexpected error")
            if not status:
                await (await problem_response(Request(scope), error))(scope, receive, guarded)
            status = 500
        except asyncio.CancelledError:  # it took longer than a server that stops may wait
            if not status:
                stopping = busy("This server is shutting down.")
                await (await problem_response(Request(scope), stopping))(scope, receive, guarded)
            raise
        finally:
            self._tell(scope, status or CLIENT_GONE, sent, time.perf_counter() - started)

    def _tell(self, scope: Scope, status: int, sent: int, seconds: float) -> None:
        route = self._routes.get(scope.get("endpoint"), "(none)")
        method = scope["method"] if scope["method"] in _METHODS else "(other)"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        fields = {
            "method": method,
            "route": route,
            "status": status,
            "seconds": round(seconds, 6),
            "bytes_sent": sent,
        }
        _log.info("request", extra={"fields": fields})


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
