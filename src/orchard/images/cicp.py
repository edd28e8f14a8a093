"""Colour spaces that files name by numbers or by their primaries, as ICC profiles.

A PNG's gAMA, cHRM and cICP and the `nclx` boxes of HEIC and AVIF say what a profile would. They
become one, so that one colour engine converts all of them. A profile of primaries and a curve is
written by hand, since Pillow's ImageCms makes that of sRGB alone.

Sources: ITU-T H.273 (code points), ITU-R BT.2100 (PQ, HLG), BT.2408 (203 cd/m² are white),
ICC.1:2001-04 (the profile), Bradford's adaptation to D50 as in ICC.1:2010, annex E.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Chromaticities = tuple[tuple[float, float], ...]  # x, y of white, red, green, blue

_D65, _SRGB = (0.3127, 0.329), ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
PRIMARIES: dict[int, Chromaticities] = {
    1: (_D65, *_SRGB),
    4: ((0.31, 0.316), (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (_D65, (0.64, 0.33), (0.29, 0.6), (0.15, 0.06)),
    6: (_D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    7: (_D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    9: (_D65, (0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    12: (_D65, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
_SRGB_TRANSFERS = (1, 6, 13, 14, 15)  # BT.709's pictures are shown as sRGB's are, by browsers too
_N_SAMPLES = 4096
_WHITE = 203.0  # cd/m² of a page's white in a picture of high range; what is brighter is clipped
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_D50 = np.array([0.9642, 1.0, 0.8249])


@dataclass(frozen=True, slots=True)
class Cicp:
    """Code points of H.273; 2 says nothing."""

    primaries: int
    transfer: int

    def profile(self) -> bytes | None:
        """None where the numbers say nothing, or what is not known here."""
        if self.primaries not in PRIMARIES or self.transfer not in _CURVES:
            return None
        if self.primaries == 1 and self.transfer in _SRGB_TRANSFERS:
            return None
        return _of_code_points(self.primaries, self.transfer)


@lru_cache(16)
def _of_code_points(primaries: int, transfer: int) -> bytes:
    return matrix_profile(PRIMARIES[primaries], _CURVES[transfer])


def of_gamma(gamma: float, chromaticities: Chromaticities | None) -> bytes | None:
    """gamma: as PNG has it, sample = light ** gamma. None where it is sRGB, about, or nonsense."""
    if not 0.05 <= gamma <= 5:
        return None
    there = chromaticities or PRIMARIES[1]
    is_srgb = np.abs(np.array(there) - np.array(PRIMARIES[1])).max() < 0.002
    if is_srgb and abs(gamma - 1 / 2.2) < 0.01:
        return None
    curve = _srgb if abs(gamma - 1 / 2.2) < 0.01 else lambda v: v ** (1 / gamma)
    try:
        return matrix_profile(there, curve)
    except (np.linalg.LinAlgError, ZeroDivisionError, OverflowError, ValueError, struct.error):
        return None  # primaries that span no colours


def matrix_profile(chromaticities: Chromaticities, curve: Curve) -> bytes:
    """An ICC profile, version 2, of an RGB display. curve: signals to light, both in [0, 1]."""
    light = np.clip(curve(np.linspace(0, 1, _N_SAMPLES)), 0, 1)
    samples = np.rint(light * 65535).astype(">u2").tobytes()
    columns = _to_d50(chromaticities).T
    tags = {
        b"rXYZ": _xyz(columns[0]),
        b"gXYZ": _xyz(columns[1]),
        b"bXYZ": _xyz(columns[2]),
        b"wtpt": _xyz(_D50),
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 1) + bytes(79),
        b"cprt": b"text" + bytes(8),
        b"rTRC": b"curv" + bytes(4) + struct.pack(">I", _N_SAMPLES) + samples,
    }
    directory, body = b"", b""
    start = 128 + 4 + 12 * (len(tags) + 2)
    for name, content in tags.items():
        names = (b"rTRC", b"gTRC", b"bTRC") if name == b"rTRC" else (name,)
        for one in names:
            directory += struct.pack(">4sII", one, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    table = struct.pack(">I", len(tags) + 2) + directory + body
    head = (
        struct.pack(
            ">I4sI4s4s4s", 128 + len(table), bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ "
        )
        + struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
        + b"acsp"
    )
    head += bytes(28) + struct.pack(">3i", *(round(v * 65536) for v in _D50))
    return head.ljust(128, b"\0") + table


def _to_d50(chromaticities: Chromaticities) -> NDArray[np.float64]:
    """(3, 3) from linear RGB to XYZ under D50, by Bradford."""
    white, *primaries = (np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in chromaticities)
    rgb = np.stack(primaries, axis=1)
    to_xyz = rgb * np.linalg.solve(rgb, white)
    cone_there, cone_here = _BRADFORD @ white, _BRADFORD @ _D50
    adapted = np.linalg.solve(_BRADFORD, np.diag(cone_here / cone_there) @ _BRADFORD)
    found: NDArray[np.float64] = adapted @ to_xyz
    return found


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(float(v) * 65536) for v in values))


def _srgb(v: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def _pq(v: NDArray[np.float64]) -> NDArray[np.float64]:
    """BT.2100, table 4; relative to _WHITE."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    p = v ** (1 / m2)
    light = (np.maximum(p - c1, 0) / (c2 - c3 * p)) ** (1 / m1)
    return light * 10_000 / _WHITE


def _hlg(v: NDArray[np.float64]) -> NDArray[np.float64]:
    """BT.2100, table 5, each channel for itself, on a display of 1,000 cd/m² (system gamma 1.2)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(v <= 0.5, v**2 / 3, (np.exp((v - c) / a) + b) / 12)
    return scene**1.2 * 1_000 / _WHITE


_CURVES: dict[int, Curve] = {
    **dict.fromkeys(_SRGB_TRANSFERS, _srgb),
    4: lambda v: v**2.2,
    5: lambda v: v**2.8,
    8: lambda v: v,
    16: _pq,
    18: _hlg,
}
