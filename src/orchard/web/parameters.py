"""What a request says beside its images."""

from __future__ import annotations

import re

from starlette.requests import Request

from orchard.images.crop import Box
from orchard.store import contributions
from orchard.web.problems import Problem

MOST_PHOTOS = 5  # of one fruit
_BOX = re.compile(r"(\d{1,6}),(\d{1,6}),(\d{1,6}),(\d{1,6})", re.ASCII)
_SECRET = re.compile(r"[0-9a-f]{32}")


def box_of(text: str | None) -> Box | None:
    """`crop`: left, top, right, bottom. Raises Problem 400."""
    if text is None:
        return None
    found = _BOX.fullmatch(text)
    left, top, right, bottom = map(int, found.groups()) if found else (0, 0, 0, 0)
    if left >= right or top >= bottom:
        detail = "crop: expected left,top,right,bottom in pixels, such as 0,0,640,480."
        raise Problem(400, "bad_crop", detail)
    return left, top, right, bottom


def giver_of(request: Request) -> str | None:
    """`giver`: what the browser made up, as it is stored. Raises Problem 400."""
    secret = request.query_params.get("giver")
    if secret is None:
        return None
    if not _SECRET.fullmatch(secret):
        raise Problem(400, "bad_giver", "giver: expected 32 hexadecimal digits.")
    return contributions.giver_of(secret)
