"""The open connections: who holds how many, and the refused who are still being told."""

from __future__ import annotations

from collections.abc import Callable

from orchard.web.clients import client_of, is_loopback
from orchard.web.settings import ServeConfig
from orchard.web.shares import Shares


class Connections:
    """most_told: refused connections that may stay open until their client has read why.

    refused: called for each.
    """

    def __init__(self, config: ServeConfig, most_told: int, refused: Callable[[], None]) -> None:
        self._shares = Shares(config.connections, config.connections_per_address)
        self._behind_proxy = config.behind_proxy
        self._left_to_tell = most_told
        self._refused = refused

    def owner(self, address: str | None) -> str | None:
        """Whose share a connection is of; None for the proxy's, which are of many people."""
        return None if self._behind_proxy and is_loopback(address) else client_of(address)

    def enter(self, owner: str | None) -> bool:
        """Whether there is a place, which then is taken."""
        there_is = self._shares.take(owner)
        if not there_is:
            self._refused()
        return there_is

    def leave(self, owner: str | None) -> None:
        self._shares.leave(owner)

    def begin_telling(self) -> bool:
        """Whether a refused client may be waited for; `end_telling` follows where it may."""
        if self._left_to_tell <= 0:
            return False
        self._left_to_tell -= 1
        return True

    def end_telling(self) -> None:
        self._left_to_tell += 1
