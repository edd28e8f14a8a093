"""Under which address others reach a server that is open to the network: to be passed on."""

from __future__ import annotations

import io
import socket

from orchard.web.settings import ServeConfig

# Addresses for documentation (RFC 5737 and 3849): no packet is sent, the system only tells from
# which of its own addresses it would send one.
_AWAY = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def on_the_network(config: ServeConfig, listening: socket.socket) -> str | None:
    """What a phone in the same network opens; None where only this machine reaches the server, or
    where --host names the address itself."""
    if config.host not in ("0.0.0.0", "::", ""):
        return None
    families = [socket.AF_INET] if listening.family == socket.AF_INET else list(_AWAY)
    found = next(filter(None, map(_own_address, families)), None)
    if found is None:
        return None
    host = f"[{found}]" if ":" in found else found
    return f"http://{host}:{listening.getsockname()[1]}/"


def _own_address(family: socket.AddressFamily) -> str | None:
    with socket.socket(family, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect((_AWAY[family], 9))
        except OSError:  # this machine is in no network
            return None
        own = str(asked.getsockname()[0])
    return None if own.startswith(("127.", "::1")) else own


def qr_code(address: str) -> str:
    """The address as a picture of characters that a phone's camera reads from a terminal."""
    import segno

    drawn = io.StringIO()
    segno.make(address, micro=False).terminal(drawn, compact=True)
    return drawn.getvalue()
