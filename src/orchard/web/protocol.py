"""uvicorn's HTTP protocol with limits it has not: open connections, time to ask and to read.

Its own keep-alive timeout counts between requests only: without these a client that opens
connections and says nothing, or one letter a minute, or does not read its answers, would keep them
for ever. And what it answers by itself is given our headers here.

A socket that is closed while bytes of its client are unread is reset, and the client may never see
what was answered. So where a request has not been read to its end, only our side is closed: what
still comes is dropped until the client closes, or its time is up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchard.web.connections import Connections
from orchard.web.problems import Problem, raw_response

_BUSY = raw_response(
    Problem(503, "busy", "Too many connections are open; try again in a moment.", retry_after=1)
)
_BAD_REQUEST = raw_response(Problem(400, "bad_request", "This is no request as HTTP/1.1 has it."))
_UNREAD = (h11.SEND_BODY, h11.ERROR)


class _Transport:
    """asyncio's, whose `close` is ours."""

    def __init__(self, transport: Any, close: Callable[[], None]) -> None:
        self._transport = transport
        self._close = close
        self._is_closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._is_closed or self._transport.is_closing()

    def close(self) -> None:
        if not self.is_closing():
            self._is_closed = True
            self._close()


def limited_protocol(connections: Connections, head_seconds: float) -> type[H11Protocol]:
    """A protocol class that refuses connections without a place, drops those that stand still."""

    class LimitedProtocol(H11Protocol):
        _timer: asyncio.TimerHandle | None = None
        _has_place = _is_told = _hears_nothing = False

        def connection_made(self, transport: Any) -> None:
            self._socket = transport
            ours: Any = _Transport(transport, self._close)
            super().connection_made(ours)
            self._owner = connections.owner(self.client[0] if self.client else None)
            self._has_place = connections.enter(self._owner)
            if self._has_place:
                self._watch()
                return
            transport.write(_BUSY)
            self._is_told = connections.begin_telling()
            if self._is_told:
                self._close_our_side()
            else:
                transport.close()

        def data_received(self, data: bytes) -> None:
            if not self._hears_nothing:
                super().data_received(data)
                self._watch()

        def send_400_response(self, msg: str) -> None:
            cycle = self.cycle
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
                if cycle.response_started:
                    self.transport.abort()
                    return
            self.transport.write(_BAD_REQUEST)
            self.transport.close()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._watch()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._watch()

        def shutdown(self) -> None:
            if self._hears_nothing:
                self._socket.close()
            else:
                super().shutdown()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            if self._has_place:
                connections.leave(self._owner)
            if self._is_told:
                connections.end_telling()
            super().connection_lost(exc)

        def _close(self) -> None:
            if self.conn.their_state in _UNREAD or self.flow.read_paused:
                self._close_our_side()
            else:
                self._socket.close()

        def _close_our_side(self) -> None:
            self._hears_nothing = True
            self.flow.resume_reading()
            self._socket.write_eof()
            self._watch()

        def _watch(self) -> None:
            """Count while no whole head of a request is there, or what is sent is not read."""
            is_answering = self.cycle is not None and not self.cycle.response_complete
            if is_answering and not self.flow.write_paused and not self._hears_nothing:
                self._stop()
            elif self._timer is None:  # also of one that is closing: it waits to be read
                self._timer = self.loop.call_later(head_seconds, self._socket.abort)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return LimitedProtocol
