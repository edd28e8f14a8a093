"""Who counts as one client: an address, an IPv6 /64, or this machine itself."""

from __future__ import annotations

import ipaddress

from starlette.requests import Request

from orchard.web.settings import ServeConfig

UNKNOWN = "(unknown)"  # all that give no address are one client
_FORWARDING = ("x-forwarded-for", "x-real-ip", "forwarded", "via")


def client_of(address: str | None) -> str:
    """What a client is counted under. An IPv6 address counts as its /64, which one household has.

    What is no address, as a proxy may pass on what a client wrote, is one client together.
    """
    found = _parsed(address)
    if found is None:
        return UNKNOWN
    if isinstance(found, ipaddress.IPv6Address) and not found.is_loopback:
        return str(ipaddress.ip_network((int(found), 64), strict=False))
    return str(found)


def is_loopback(address: str | None) -> bool:
    found = _parsed(address)
    return found is not None and found.is_loopback


def sender(request: Request, config: ServeConfig) -> str | None:
    """The client that a request counts for; None for this machine itself.

    Where others can reach the server, a request from this machine is one that a proxy passes on
    without saying for whom: it counts like any other, as do all that a proxy has left a trace in.
    """
    address = request.client.host if request.client else None
    is_own = config.is_loopback and not config.behind_proxy and is_loopback(address)
    if is_own and not any(name in request.headers for name in _FORWARDING):
        return None
    return client_of(address)


def _parsed(address: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
