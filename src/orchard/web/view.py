"""A result's report with the full-size pictures of its source, for this machine alone.

The page is sent with a policy of its own: only the scripts of this version of the page run, and
nothing of it can be sent elsewhere, whoever made the file that OUTPUT holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from orchard.report.build import PAGE
from orchard.report.findings import find
from orchard.report.page import policy, render
from orchard.store import runs
from orchard.store.tables import Tables
from orchard.web.guard import Guard
from orchard.web.hosts import OwnNames
from orchard.web.metrics import Metrics
from orchard.web.pictures import Pictures
from orchard.web.pool import Pool
from orchard.web.problems import Problem, problem_response

PICTURES = "/picture?path="
_HTML = b'<html lang="en">'
_FOREIGN = Problem(421, "misdirected_request", "This server answers to localhost alone.")
_OTHER_SITE = Problem(403, "cross_site", "Pages of other origins cannot show these pictures.")
_UNKNOWN = Problem(404, "not_found", "There is no such image, or it can no longer be reached.")


def page_of(tables: Tables, say: Callable[[str], None]) -> bytes:
    """The report as it is stored; computed again, and not stored, where there is none or it is of
    another version. Raises TableError where OUTPUT holds no components."""
    output = tables.output
    if PAGE in output.paths("report"):
        page = bytes(output.get(PAGE))
        if policy().encode() in page and _HTML in page:
            return page
        say("report: the stored one is of another version; computing it again")
    return render(find(tables, runs.last(output), True, say))


def usual_port(root: str) -> int:
    """One of those that no service is registered for, the same for the same OUTPUT: a browser keeps
    what a page stores by the port, too."""
    return 49152 + int.from_bytes(hashlib.blake2b(root.encode(), digest_size=2).digest()) % 16384


def create_app(page: bytes, pictures: Pictures, pool: Pool, metrics: Metrics) -> ASGIApp:
    """page: as of `page_of`."""
    served = page.replace(_HTML, f'<html lang="en" data-pictures="{PICTURES}">'.encode(), 1)
    allowed = policy("'self'")
    served = served.replace(policy().encode(), allowed.encode(), 1)
    headers = {
        "cache-control": "no-store",
        "content-security-policy": f"{allowed}; frame-ancestors 'none'",
    }

    async def report(request: Request) -> Response:
        return HTMLResponse(served, headers=headers)

    async def picture(request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise _OTHER_SITE
        path = request.query_params.get("path", "")
        jpeg, _ = await pool.run(partial(pictures.jpeg, path), request.receive)
        if jpeg is None:
            raise _UNKNOWN
        private = {"cache-control": "private, max-age=3600"}
        return Response(jpeg, media_type="image/jpeg", headers=private)

    async def no_icon(request: Request) -> Response:
        return Response(status_code=204)

    app = Starlette(
        routes=[
            Route("/", report),
            Route("/picture", picture),
            Route("/favicon.ico", no_icon),  # browsers ask for one
        ],
        exception_handlers=dict.fromkeys((Problem, 404, 405, 500), problem_response),
    )
    routes: dict[object, str] = {report: "/", picture: "/picture", no_icon: "/favicon.ico"}
    return Guard(OwnNames(app, _FOREIGN), metrics, routes)
