"""uvicorn's HTTP protocol with two limits it has not: time for a request's head, open connections.

Its own keep-alive timeout counts between requests only: without these a client that opens
connections and says nothing, or one letter a minute, would keep them for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"content-type: application/problem+json\r\nretry-after: 1\r\nconnection: close\r\n"
)
_REFUSAL_BODY = (
    b'{"type":"about:blank","title":"Service Unavailable","status":503,"code":"busy",'
    b'"detail":"Too many connections are open; try again in a moment."}'
)


def limited_protocol(max_connections: int, head_seconds: float) -> type[H11Protocol]:
    """A protocol class that refuses connections beyond so many, and those that say nothing."""

    class LimitedProtocol(H11Protocol):
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > max_connections:
                length = f"content-length: {len(_REFUSAL_BODY)}\r\n\r\n".encode()
                transport.write(_REFUSAL + length + _REFUSAL_BODY)
                transport.close()
                return
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _watch(self) -> None:
            """Count while no whole head of a request is there."""
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop()
            elif self._head_timer is None and not self.transport.is_closing():
                self._head_timer = self.loop.call_later(head_seconds, self._give_up)

        def _stop(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _give_up(self) -> None:
            self._head_timer = None
            if not self.transport.is_closing():
                self.transport.close()

    return LimitedProtocol
