"""In what colours a PNG's samples are, by whichever of its chunks says so with most weight.

Source: PNG, third edition, section 4.3: cICP before iCCP, before sRGB, before gAMA and cHRM.
"""

from __future__ import annotations

import struct
import zlib

from orchard.images.cicp import Chromaticities, Cicp, of_gamma
from orchard.images.headers import png_chunks

_MOST_BYTES = 4 << 20  # of a profile, inflated
_SAYING = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")


def profile(data: bytes) -> bytes | None:
    """An ICC profile of the samples; None where they are sRGB, or nothing says what they are."""
    found: dict[bytes, bytes] = {}
    for name, start, end in png_chunks(data):
        if name == b"IDAT":
            break  # what says it comes before
        content = data[start + 8 : end - 4]
        is_whole = zlib.crc32(name + content) == int.from_bytes(data[end - 4 : end], "big")
        if name in _SAYING and is_whole:
            found.setdefault(name, content)
    if len(cicp := found.get(b"cICP", b"")) == 4 and cicp[2] == 0 and cicp[3] == 1:
        return Cicp(cicp[0], cicp[1]).profile()
    if b"iCCP" in found:
        return _inflated(found[b"iCCP"])
    if b"sRGB" in found or len(found.get(b"gAMA", b"")) != 4:
        return None
    (gamma,) = struct.unpack(">I", found[b"gAMA"])
    return of_gamma(gamma / 100_000, _chromaticities(found.get(b"cHRM", b"")))


def _inflated(content: bytes) -> bytes | None:
    _, nul, rest = content.partition(b"\0")
    if not nul or rest[:1] != b"\0":
        return None
    try:
        reader = zlib.decompressobj()
        inflated = reader.decompress(rest[1:], _MOST_BYTES)
    except zlib.error:
        return None
    return inflated if reader.eof else None


def _chromaticities(content: bytes) -> Chromaticities | None:
    if len(content) != 32:
        return None
    values = [value / 100_000 for value in struct.unpack(">8I", content)]
    pairs = tuple(zip(values[::2], values[1::2], strict=True))
    return pairs if all(0 < y <= 1 and 0 <= x <= 1 for x, y in pairs) else None
