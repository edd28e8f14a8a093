"""The page's own files as the package carries them, and what they are sent as."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

TYPES = {
    "bin": "application/octet-stream",
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "webmanifest": "application/manifest+json",
}


def media_type(name: str) -> str:
    return TYPES[name.rpartition(".")[2]]


@cache
def static_files() -> Mapping[str, bytes]:
    """By name; of the types above alone."""
    folder = files(__package__).joinpath("static")
    return MappingProxyType(
        {
            entry.name: entry.read_bytes()
            for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
            if entry.is_file() and entry.name.rpartition(".")[2] in TYPES
        }
    )
