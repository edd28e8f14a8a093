"""Where a host's name leads: only addresses of the public Internet are asked, unless allowed.

A manifest may come from somebody else and name this machine, its network or a cloud's metadata
service; a public name may lead there too, and a redirect. So each hop is resolved once, every
address that its name has is looked at, and the connection goes to one of these, not to the name,
which might lead elsewhere a moment later.
"""

from __future__ import annotations

import ipaddress
import socket

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class PrivateAddress(Exception):
    """An address that is not of the public Internet."""


def addresses_of(host: str, port: int, *, private: bool) -> list[str]:
    """A host's addresses. Raises PrivateAddress, and OSError where there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not private:
        for address in addresses:
            if not is_public(address):
                raise PrivateAddress(address)
    return addresses


def is_public(address: str) -> bool:
    """Whether an address is of the public Internet, and what is inside it too."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast
