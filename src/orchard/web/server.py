"""One uvicorn process on one socket, until it is stopped."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from orchard.errors import ConfigError
from orchard.web import logs
from orchard.web.app import create_app
from orchard.web.connections import Connections
from orchard.web.protocol import limited_protocol
from orchard.web.services import Services
from orchard.web.settings import ServeConfig

BACKLOG = 2048
STOP_SECONDS = 15  # for requests under way, once asked to stop
_STOP = (signal.SIGINT, signal.SIGTERM)
_FILES_BESIDE = 256  # descriptors that are not connections


def serve(
    config: ServeConfig, services: Services, listening: socket.socket, *, quiet: bool
) -> None:
    """Answer until SIGINT or SIGTERM; what is under way is finished first."""
    answer(config, create_app(services), listening, services.metrics.refused.inc, quiet=quiet)


def answer(
    config: ServeConfig,
    app: ASGIApp,
    listening: socket.socket,
    refused: Callable[[], None],
    *,
    quiet: bool,
) -> None:
    """The same for any application. refused: called for each connection that is one too many."""
    logs.configure(quiet=quiet)
    files = _allow_open_files(2 * config.connections + _FILES_BESIDE)
    told = max(0, min(config.connections, files - config.connections - _FILES_BESIDE))
    connections = Connections(config, told, refused)
    server = _Server(
        uvicorn.Config(
            app,
            http=limited_protocol(connections, config.head_seconds),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=config.behind_proxy,
            forwarded_allow_ips="127.0.0.1,::1",
            h11_max_incomplete_event_size=16 * 1024,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    server.run(sockets=[listening])


def serve_here(app: ASGIApp, listening: socket.socket) -> None:
    """Answer one person of this machine until SIGINT or SIGTERM."""
    _Server(
        uvicorn.Config(
            app, ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, timeout_graceful_shutdown=STOP_SECONDS,
        )
    ).run(sockets=[listening])  # fmt: skip


class _Server(uvicorn.Server):
    """uvicorn's own raises the signal once more when all is done, as if that had gone wrong."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        before = {number: signal.signal(number, self.handle_exit) for number in _STOP}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listen(config: ServeConfig) -> socket.socket:
    """A bound socket. Raises ConfigError where the address cannot be had."""
    try:
        family = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((config.host, config.port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"--host {config.host} --port {config.port}: cannot listen there: {reason}; choose "
            "another port, or 0 for any free one"
        ) from None
    # asyncio does so for sockets of its own alone. An answer's head and body are two packets: the
    # second would wait, some 40 ms, until the client acknowledges the first.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def address(config: ServeConfig, listening: socket.socket) -> str:
    """What a browser on this machine opens."""
    host = "127.0.0.1" if config.host in ("0.0.0.0", "::", "") else config.host
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{listening.getsockname()[1]}/"


def _allow_open_files(wanted: int) -> int:
    """How many there then may be, at most as many as wanted."""
    try:
        import resource
    except ImportError:  # not on Windows, where there is no such limit
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
