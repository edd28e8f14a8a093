"""What goes wrong, as RFC 9457 problem details: a status, a code for programs, a sentence."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchard.records import Failure, Reason
from orchard.web.headers import HEADERS

MEDIA_TYPE = "application/problem+json"

_STATUS = {
    Reason.EMPTY: 400,
    Reason.NOT_AN_IMAGE: 415,
    Reason.TOO_MANY_PIXELS: 413,
    Reason.TOO_MANY_BYTES: 413,
}
_SENTENCES = {
    Reason.EMPTY: "The request has no bytes; send those of one image.",
    Reason.NOT_AN_IMAGE: "These bytes are no JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF.",
    Reason.TRUNCATED: "The image ends before all of it has come; send it again.",
    Reason.CORRUPT: "The image is damaged; send another.",
    Reason.DAMAGED: "Part of the image is lost; send another.",
    Reason.TOO_MANY_PIXELS: "The image has too many pixels; make it smaller.",
    Reason.TOO_COSTLY: "The image takes too long to decode; save it as an ordinary JPEG.",
    Reason.TOO_MANY_BYTES: "The image has too many bytes; make it smaller.",
    Reason.UNSUPPORTED: "This kind of image cannot be read; save it as JPEG or PNG.",
}


class Problem(Exception):
    """An answer that is none. code: stable, for programs. retry_after: seconds."""

    def __init__(
        self, status: int, code: str, detail: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers: dict[str, str] = {}
        if retry_after is not None:
            self.headers["retry-after"] = str(retry_after)


def unreadable(failure: Failure) -> Problem:
    """Of an image that cannot be read: 400, 413 or 415 where that says it, else 422."""
    sentence = _SENTENCES.get(failure.reason, "The image cannot be read.")
    return Problem(_STATUS.get(failure.reason, 422), failure.reason.value, sentence)


async def problem_response(request: Request, error: Exception) -> Response:
    """Starlette's exception handler of `Problem`, of its own HTTPException, and of all others."""
    if isinstance(error, Problem):
        return _response(error.status, error.code, error.detail, error.headers)
    if isinstance(error, HTTPException):
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return _response(error.status_code, code, _http_detail(error), dict(error.headers or {}))
    return _response(500, "internal_error", "Something is wrong here, not with the request.", {})


def raw_response(problem: Problem) -> bytes:
    """The same as bytes of HTTP/1.1, for where there is no application to answer."""
    body = json.dumps(_content(problem.status, problem.code, problem.detail)).encode()
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "connection": "close",
    }
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    for name, value in (headers | problem.headers | HEADERS).items():
        lines.append(f"{name}: {value}")
    return "\r\n".join((*lines, "", "")).encode() + body


def _http_detail(error: HTTPException) -> str:
    known = {404: "There is nothing at this address.", 405: "This address takes other methods."}
    return known.get(error.status_code, str(error.detail))


def _content(status: int, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }


def _response(status: int, code: str, detail: str, headers: dict[str, str]) -> Response:
    content = _content(status, code, detail)
    headers = {**headers, "cache-control": "no-store"}
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)
