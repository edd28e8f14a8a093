"""The OpenAPI document: `openapi.json` with this server's limits and this Orchard's version in it.

It is written by hand, and a test holds it against the routes and the answers they give.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from orchard._version import __version__
from orchard.web.contributions import OTHER
from orchard.web.settings import ServeConfig


def document(config: ServeConfig, species: list[str]) -> dict[str, Any]:
    """OpenAPI 3.1, as JSON data. species: ids that the classifier can tell."""
    text = files(__package__).joinpath("openapi.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    found["info"]["version"] = __version__
    found["info"]["description"] += (
        f" Limits here: {config.max_bytes} bytes and {config.max_pixels} pixels an image, "
        f"{config.rate or 'any number of'} images a minute from one address."
    )
    of_species = {"taken_for": species, "said_to_be": [*species, OTHER]}
    for path, method in (("/api/contributions", "post"), ("/api/contributions/{code}", "put")):
        for parameter in found["paths"][path][method]["parameters"]:
            if parameter["name"] in of_species:
                parameter["schema"]["enum"] = of_species[parameter["name"]]
    if not config.contributions:
        found["paths"] = {p: v for p, v in found["paths"].items() if "contributions" not in p}
    return found
