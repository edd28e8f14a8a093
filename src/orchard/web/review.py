"""`orchard review`: one person of this machine looks at the photos that people gave.

All addresses begin with a key that is made up at each start and printed with the address: other
users of the machine do not know it. The photos are untrusted, whoever wrote them into OUTPUT: each
is decoded in a process of its own, and what the page gets is another JPEG, of its pixels alone.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from importlib.resources import files
from typing import Any

import anyio.to_thread
import pyarrow.compute as pc
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchard.errors import ConfigError
from orchard.images.small import as_jpeg
from orchard.knowledge import LANGUAGES, all_species, species_of
from orchard.records import Failure
from orchard.store import accepted, reviews
from orchard.store.output import Output
from orchard.store.reviews import Given
from orchard.store.tables import Tables
from orchard.web.headers import HEADERS
from orchard.web.hosts import OwnNames
from orchard.web.origins import OwnOrigin
from orchard.web.pool import Pool
from orchard.web.problems import Problem, problem_response, unreadable
from orchard.web.static_files import media_type

SIDE = 640  # pixels of the longer side, as they are stored
_NO_STORE = {"cache-control": "no-store"}
_PAGE = files(__package__).joinpath("reviewing")
_FILES = ("index.html", "review.js", "review.css", "words.js")
_WAITING, _SECONDS = 64, 30.0


def new_key() -> str:
    return secrets.token_urlsafe(16)


def labels_of(output: Output) -> list[str]:
    """The labels of a result, sorted; accepted ones that no run has read yet are among them."""
    read = pc.unique(Tables(output).read("features", ["label"])["label"]).to_pylist()
    waiting = [path.split("/")[1] for path in output.paths(accepted.FOLDER)]
    return sorted({label for label in [*read, *waiting] if label})


def create_review(output: Output, key: str) -> ASGIApp:
    """The ASGI application. key: what its addresses begin with."""
    app = Starlette(
        routes=[
            Mount(
                f"/{key}",
                routes=[
                    Route("/photos", photos),
                    Route("/photos/{name}", photo, methods=["GET"]),
                    Route("/photos/{name}", decide, methods=["POST"]),
                    Route("/{name}", page),
                    Route("/", page),
                ],
            )
        ],
        exception_handlers=dict.fromkeys((Problem, 404, 405, 500), problem_response),
    )
    app.state.output = output
    app.state.pool = Pool(1, _WAITING, _SECONDS)
    return _WithHeaders(OwnNames(OwnOrigin(app, behind_proxy=False)))


async def photos(request: Request) -> Response:
    content = await anyio.to_thread.run_sync(_listed, request.app.state.output)
    return JSONResponse(content, headers=_NO_STORE)


async def photo(request: Request) -> Response:
    look = partial(_shown, request.app.state.output, request.path_params["name"])
    jpeg, _ = await request.app.state.pool.run(look, request.receive)
    return Response(jpeg, media_type="image/jpeg", headers=_NO_STORE)


async def decide(request: Request) -> Response:
    name, asked = request.path_params["name"], request.query_params
    work = partial(
        reviews.decide, request.app.state.output, name, asked.get("decision", ""),
        asked.get("label"),
    )  # fmt: skip
    try:
        decided = await anyio.to_thread.run_sync(work)
    except ConfigError as error:
        raise Problem(400, "bad_decision", str(error)) from None
    if decided is None:
        raise _gone()
    return JSONResponse(asdict(decided), headers=_NO_STORE)


async def page(request: Request) -> Response:
    name = request.path_params.get("name", _FILES[0])
    if name not in _FILES:
        raise Problem(404, "not_found", "There is nothing at this address.")
    return Response(
        _PAGE.joinpath(name).read_bytes(), media_type=media_type(name), headers=_NO_STORE
    )


def _listed(output: Output) -> dict[str, Any]:
    given, labels = reviews.listed(output), labels_of(output)
    of_species: defaultdict[str, list[str]] = defaultdict(list)
    for label in labels:
        of_species[species_of(label) or label].append(label)
    people = {giver: number for number, giver in enumerate(_givers(given), 1)}
    rows = [
        asdict(one)
        | {
            "giver": people.get(one.giver or ""),
            "candidates": of_species.get(one.said_to_be or one.taken_for or "", []),
        }
        for one in given
    ]
    named = {species for one in given for species in (one.said_to_be, one.taken_for) if species}
    return {"photos": rows, "labels": labels, "species": {name: _names(name) for name in named}}


def _givers(given: Iterable[Given]) -> list[str]:
    return list(dict.fromkeys(one.giver for one in given if one.giver))


def _names(species: str) -> dict[str, str]:
    known = all_species().get(species)
    return {lang: known.name.in_language(lang) if known else species for lang in LANGUAGES}


def _shown(output: Output, name: str) -> bytes:
    data = reviews.photo(output, name)
    if data is None:
        raise _gone()
    jpeg = as_jpeg(bytes(data), SIDE)
    if isinstance(jpeg, Failure):
        raise unreadable(jpeg)
    return jpeg


def _gone() -> Problem:
    return Problem(404, "not_found", "There is no such photo; its giver may have erased it.")


class _WithHeaders:
    """The security headers of `orchard serve` on each answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded)
