"""The image in a request: its bytes alone or files of a form, in memory and never on disk."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from orchard.web.limits import Upload
from orchard.web.problems import Problem

_BYTES = "application/octet-stream"
_FORM = "multipart/form-data"
_FORM_OVERHEAD = 64 * 1024  # boundaries, headers and small fields around the file
_FIRST = 1 / 6  # of the time for a body, in which nothing need have come
_SLOWEST = 4096  # bytes a second after that


class InMemoryParser(MultiPartParser):
    """Starlette's parser, which would otherwise write a file of more than 1 MB to disk."""

    spool_max_size = 1 << 62


async def read_images(
    request: Request, upload: Upload, *, max_bytes: int, seconds: float, most: int = 1
) -> list[bytes]:
    """The bytes of the images in a request's body, at most so many, together within max_bytes.

    seconds: for all of it; a sixth of that to begin with, and one more for each 4 KiB that come, so
    that none keeps its place by a byte now and then. Raises Problem: 400 for a form without a
    file or with more than those, 408 where the body comes too slowly, 413 where it is too large,
    415 where its type is no image's, 503 where there is no memory for it.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != _FORM and kind != _BYTES and not kind.startswith("image/"):
        raise Problem(415, "not_an_image", f"Send image/*, {_BYTES} or {_FORM} with a file.")
    limit = max_bytes + _FORM_OVERHEAD if kind == _FORM else max_bytes
    try:
        with anyio.fail_after(seconds * _FIRST) as pace:
            body = _limited(request, upload, limit, pace, seconds)
            if kind == _FORM:
                return await _files_of_form(request, body, max_bytes, most)
            return [b"".join([chunk async for chunk in body])]
    except TimeoutError:
        raise Problem(
            408, "too_slow", f"The image came too slowly; all of it may take {seconds:g} s."
        ) from None


async def _limited(
    request: Request, upload: Upload, most: int, pace: anyio.CancelScope, seconds: float
) -> AsyncGenerator[bytes, None]:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    began = anyio.current_time()
    async for chunk in request.stream():
        upload.add(len(chunk))
        if upload.n_bytes > most:
            raise _too_large(most)
        earned = seconds * _FIRST + upload.n_bytes / _SLOWEST
        pace.deadline = began + min(seconds, earned)
        yield chunk


async def _files_of_form(
    request: Request, body: AsyncGenerator[bytes, None], max_bytes: int, most: int
) -> list[bytes]:
    parser = InMemoryParser(request.headers, body, max_files=most, max_fields=8, max_part_size=1024)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        detail = getattr(error, "message", "") or "not a form as multipart/form-data has it"
        raise Problem(400, "bad_form", f"The form cannot be read: {detail}") from None
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if not files:
        raise Problem(400, "bad_form", "The form holds no file; expected one.")
    found = [await file.read() for file in files]
    await form.close()
    if sum(map(len, found)) > max_bytes:
        raise _too_large(max_bytes)
    return found


def _too_large(most: int) -> Problem:
    return Problem(413, "too_many_bytes", f"More than {most} bytes; make the image smaller.")
