"""The routes, and nothing but the routes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from functools import partial

import anyio.to_thread
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from orchard.store.contributions import expire
from orchard.web import contributions, metrics
from orchard.web.answers import answer
from orchard.web.bodies import read_images
from orchard.web.clients import client_of, sender
from orchard.web.guard import CLIENT_GONE, Guard
from orchard.web.hosts import OwnNames
from orchard.web.language import language_of
from orchard.web.openapi import document
from orchard.web.origins import OwnOrigin
from orchard.web.pages import Pages
from orchard.web.parameters import MOST_PHOTOS, box_of, giver_of
from orchard.web.problems import Problem, problem_response, unreadable
from orchard.web.services import Services

_NO_STORE = {"cache-control": "no-store"}
_HOUR, _MINUTE = 3600, 60
_log = logging.getLogger(__name__)


def create_app(services: Services) -> ASGIApp:
    """The ASGI application of a loaded classifier."""
    routes = [
        Route("/", page),
        Route("/privacy", privacy),
        Route("/health", health),
        Route("/ready", ready),
        Route("/metrics", metrics_text),
        Route("/api/openapi.json", openapi),
        Route("/api/identify", identify, methods=["POST"]),
        Route("/api/thumbnails/{name}", thumbnail),
        Route("/api/contributions", give, methods=["POST"]),
        Route("/api/contributions/{code}", Contribution),
        Route("/{name}", static),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            **dict.fromkeys((Problem, 404, 405, 500), problem_response),
            ClientDisconnect: client_gone,
        },
        lifespan=_lifespan,
    )
    app.state.services = services
    open_to_others = not services.config.is_loopback or services.config.behind_proxy
    own = OwnOrigin(app, behind_proxy=services.config.behind_proxy)
    named = own if open_to_others else OwnNames(own)
    return Guard(named, services.metrics, {route.endpoint: route.path for route in routes})


async def identify(request: Request) -> Response:
    services = _services(request)
    language = language_of(request)
    crop = box_of(request.query_params.get("crop"))
    async with _images(request, 1 if crop else MOST_PHOTOS) as photos:
        most = services.config.max_pixels
        look = partial(services.predictor.predict_together, photos, max_pixels=most, crop=crop)
        (prediction, failures), waited = await services.pool.run(look, request.receive)
    if prediction.failure is not None:
        services.metrics.identified(prediction.failure.reason.value, prediction.seconds)
        raise unreadable(prediction.failure)
    spent = {"wait": waited}
    services.metrics.identified(prediction.answer, prediction.seconds | spent)
    content = answer(prediction, language, services.thumbnails, spent, failures)
    return JSONResponse(content, headers=_NO_STORE | {"content-language": language})


async def thumbnail(request: Request) -> Response:
    services = _services(request)
    name = request.path_params["name"]
    if name not in services.thumbnails:
        raise Problem(404, "not_found", "There is no such image.")
    jpeg = services.thumbnails.made(name)
    if jpeg is None:
        work = partial(services.thumbnails.make, name)
        jpeg, _ = await services.thumbnail_pool.run(work, request.receive)
    if jpeg is None:
        raise Problem(404, "not_found", "This image can no longer be reached.")
    return Response(
        jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"}
    )


async def give(request: Request) -> Response:
    services = _services(request)
    _must_take_contributions(services)
    said = contributions.Said(
        _species_id(request, "taken_for"), _said_to_be(request), giver_of(request)
    )
    async with _images(request, 1) as (data,):
        work = partial(contributions.give, services, _address(request), data, said)
        given, _ = await services.pool.run(
            work, request.receive, undo=partial(contributions.undo, services)
        )
    return JSONResponse(asdict(given), 201, headers=_NO_STORE)


class Contribution(HTTPEndpoint):
    """A photo that was given: its giver corrects what is said of it, or takes it back."""

    async def put(self, request: Request) -> Response:
        said_to_be = _said_to_be(request)
        if said_to_be is None:
            raise Problem(400, "no_such_species", "said_to_be: expected the id of a known species.")
        return await self._done(request, contributions.correct, said_to_be)

    async def delete(self, request: Request) -> Response:
        return await self._done(request, contributions.take_back)

    async def _done(
        self, request: Request, act: Callable[..., None], *arguments: object
    ) -> Response:
        services = _services(request)
        _must_take_contributions(services)
        services.rate.take(sender(request, services.config))
        code = request.path_params["code"]
        await anyio.to_thread.run_sync(act, services, code, *arguments)
        return Response(status_code=204, headers=_NO_STORE)


async def health(request: Request) -> Response:
    return JSONResponse({"status": "alive"}, headers=_NO_STORE)


async def ready(request: Request) -> Response:
    services = _services(request)
    if not services.is_ready:
        raise Problem(503, "not_ready", "This server is shutting down.", retry_after=1)
    card = services.predictor.card
    content = {
        "status": "ready",
        "classifier": card.classifier_id,
        "classes": len(card.classes),
        "species": len(services.predictor.species),
        "notice": card.notice,
    }
    return JSONResponse(content, headers=_NO_STORE)


async def metrics_text(request: Request) -> Response:
    headers = {**_NO_STORE, "content-type": metrics.CONTENT_TYPE}
    return Response(_services(request).metrics.text(), headers=headers)


async def openapi(request: Request) -> Response:
    services = _services(request)
    return JSONResponse(document(services.config, services.predictor.species.tolist()))


async def page(request: Request) -> Response:
    return HTMLResponse(_pages(request).index, headers={"cache-control": "no-cache"})


async def privacy(request: Request) -> Response:
    text = _pages(request).privacy[language_of(request)]
    headers = {"cache-control": "no-cache", "vary": "accept-language"}
    return HTMLResponse(text, headers=headers)


async def static(request: Request) -> Response:
    found = _pages(request).files.get(request.path_params["name"])
    if found is None:
        raise Problem(404, "not_found", "There is nothing at this address.")
    return Response(
        found.content, media_type=found.media_type, headers={"cache-control": "no-cache"}
    )


async def client_gone(request: Request, error: Exception) -> Response:
    """To a client that has gone; it is counted, not sent."""
    return Response(status_code=CLIENT_GONE)


@asynccontextmanager
async def _images(request: Request, most: int) -> AsyncIterator[list[bytes]]:
    """The images of a request that is within the limits, counted until it is answered.

    Raises Problem.
    """
    services = _services(request)
    config = services.config
    services.rate.take(sender(request, config))
    with services.uploads.one(_address(request)) as upload:
        yield await read_images(
            request, upload, max_bytes=config.max_bytes, seconds=config.upload_seconds, most=most
        )


def _address(request: Request) -> str:
    return client_of(request.client.host if request.client else None)


def _must_take_contributions(services: Services) -> None:
    if not services.config.contributions:
        raise Problem(404, "not_found", "This server does not store images.")


def _species_id(request: Request, name: str) -> str | None:
    value = request.query_params.get(name)
    known = _services(request).predictor.species
    if value is not None and value not in known:
        raise Problem(400, "no_such_species", f"{name}: expected the id of a known species.")
    return value


def _said_to_be(request: Request) -> str | None:
    if request.query_params.get("said_to_be") == contributions.OTHER:
        return contributions.OTHER
    return _species_id(request, "said_to_be")


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _pages(request: Request) -> Pages:
    return _services(request).pages


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    services: Services = app.state.services
    chores = asyncio.gather(
        again_and_again("expire contributions", _HOUR, partial(_expire, services)),
        again_and_again("look for another classifier", _MINUTE, services.refresh),
    )
    yield
    chores.cancel()
    with suppress(asyncio.CancelledError):
        await chores
    services.close()


def _expire(services: Services) -> None:
    expire(services.output)
    services.places.count()


async def again_and_again(name: str, seconds: float, chore: Callable[[], object]) -> None:
    """Do it now and after each pause; what fails, as a bucket may for a while, is tried again."""
    while True:
        try:
            await anyio.to_thread.run_sync(chore)
        except Exception as error:
            # Its text may hold a contribution's code, which is for its owner alone.
            fields = {"error": type(error).__name__, "again_in_seconds": seconds}
            _log.warning("cannot %s", name, extra={"fields": fields})
        await asyncio.sleep(seconds)
