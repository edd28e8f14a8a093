"""How web servers are asked for the images that a manifest names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WebAccess:
    """Limits that a web server's owner can live with; a plain value that travels to workers.

    - rate: requests per second, and per_host: requests at once, to one host, of all processes of a
      user on a machine together.
    - private: whether addresses that are not of the public Internet may be asked.
    - max_bytes of an image; seconds: for one, in all; attempts, of what can pass.
    """

    rate: float = 20.0
    private: bool = False
    per_host: int = 8
    max_bytes: int = 64 * 1024 * 1024
    seconds: float = 60.0
    attempts: int = 4
    max_redirects: int = 5


def is_web(path: str) -> bool:
    return path.startswith(("http://", "https://"))
