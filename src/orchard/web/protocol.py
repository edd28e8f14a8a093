"""uvicorn's HTTP protocol with limits it has not: open connections, time to ask and to read.

Its own keep-alive timeout counts between requests only: without these a client that opens
connections and says nothing, or one letter a minute, or does not read its answers, would keep them
for ever.
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
    """A protocol class that refuses connections beyond so many, drops those that stand still."""

    class LimitedProtocol(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

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

        def pause_writing(self) -> None:
            super().pause_writing()
            self._watch()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _watch(self) -> None:
            """Count while no whole head of a request is there, or what is sent is not read."""
            is_answering = self.cycle is not None and not self.cycle.response_complete
            if is_answering and not self.flow.write_paused:
                self._stop()
            elif self._timer is None:  # also of one that is closing: it waits to be read
                self._timer = self.loop.call_later(head_seconds, self.transport.abort)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return LimitedProtocol
