"""Run a command where every address is this machine's own, and print what it sent to others.

    python alone.py COMMAND…

In a network namespace with nothing but a loopback, to which every packet is routed, so that a
request for a name or an address elsewhere is seen instead of lost. The last line is a JSON list of
[address, port] pairs. Linux alone; exits with 75 where no namespace may be made.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from ipaddress import ip_address

NEW_NET, NEW_USER = 0x40000000, 0x10000000  # clone(2)
SET_FLAGS, UP, RUNNING = 0x8914, 0x1, 0x40  # netdevice(7)
NEW_ROUTE, LOCAL, HOST_SCOPE, LOCAL_TABLE, STATIC = 24, 2, 254, 255, 4  # rtnetlink(7)
REQUEST, ACKNOWLEDGE, CREATE, EXCLUSIVE = 0x1, 0x4, 0x400, 0x200
OUTPUT_INTERFACE = 4
EVERY_PROTOCOL = 0x0003
SYN, ACK = 0x02, 0x10
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"


def enter_namespace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    as_root = os.geteuid() == 0
    if libc.unshare(NEW_NET if as_root else NEW_NET | NEW_USER):
        sys.stderr.write(f"no namespace: {os.strerror(ctypes.get_errno())}\n")
        sys.exit(75)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH22x", b"lo", UP | RUNNING))
    for family in (socket.AF_INET, socket.AF_INET6):
        route_everything_here(family)


def route_everything_here(family: int) -> None:
    """`ip route add local default dev lo`"""
    index = struct.pack("HHi", 8, OUTPUT_INTERFACE, socket.if_nametoindex("lo"))
    route = struct.pack("8BI", family, 0, 0, 0, LOCAL_TABLE, STATIC, HOST_SCOPE, LOCAL, 0) + index
    flags = REQUEST | ACKNOWLEDGE | CREATE | EXCLUSIVE
    head = struct.pack("IHHII", 16 + len(route), NEW_ROUTE, flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(head + route)
        (error,) = struct.unpack_from("i", netlink.recv(4096), 16)
    if error:
        raise OSError(-error, os.strerror(-error))


def destination(frame: bytes) -> tuple[str, int] | None:
    """Of a first TCP packet, or a UDP one, for another machine; None of any other."""
    kind, packet = frame[12:14], frame[14:]
    if kind == IPV4:
        protocol, address, start = packet[9], ip_address(packet[16:20]), 4 * (packet[0] & 15)
    elif kind == IPV6:
        protocol, address, start = packet[6], ip_address(packet[24:40]), 40
    else:
        return None
    if address.is_loopback or protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        return None
    flags = packet[start + 13] & (SYN | ACK) if protocol == socket.IPPROTO_TCP else SYN
    port = int.from_bytes(packet[start + 2 : start + 4], "big")
    return (str(address), port) if flags == SYN else None


def main() -> int:
    enter_namespace()
    seen: set[tuple[str, int]] = set()
    everything = socket.ntohs(EVERY_PROTOCOL)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, everything) as wire:
        wire.bind(("lo", 0))
        threading.Thread(target=listen, args=(wire, seen), daemon=True).start()
        status = subprocess.run(sys.argv[1:], check=False).returncode
        threading.Event().wait(0.2)  # for what is still on its way
    sys.stdout.write(json.dumps(sorted(seen)) + "\n")
    return status


def listen(wire: socket.socket, seen: set[tuple[str, int]]) -> None:
    while True:
        try:
            frame = wire.recv(65536)
        except OSError:
            return
        if (found := destination(frame)) is not None:
            seen.add(found)


if __name__ == "__main__":
    sys.exit(main())
