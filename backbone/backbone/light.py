"""What a camera and a lamp do to a picture: light, colour, blur, noise, compression.

All on uint8 pictures (side, side, 3) through OpenCV, at tens of microseconds a step; the strengths
are `Strength` rows, so that a picture on white, whose colour tells its variety, is changed little.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Strength:
    """warmth, gain, saturation: largest relative changes. gamma: largest exponent either way.
    shade, blur, noise, jpeg: probabilities of each."""

    warmth: float
    gain: float
    saturation: float
    gamma: float
    shade: float
    blur: float
    noise: float
    jpeg: float


STUDIO = Strength(0.03, 0.08, 0.06, 1.08, shade=0.2, blur=0.15, noise=0.2, jpeg=0.1)
SHOP = Strength(0.15, 0.25, 0.25, 1.35, shade=0.4, blur=0.25, noise=0.35, jpeg=0.25)


def photograph(rng: random.Random, picture: Picture, strength: Strength) -> Picture:
    """`picture` as a camera of some kind would have given it; a new array."""
    if rng.random() < strength.shade:
        picture = cv2.multiply(
            picture, _ramp(picture.shape[0], rng.randrange(RAMPS)), dtype=cv2.CV_8U
        )
    picture = cv2.transform(picture, _saturation(1 + rng.uniform(-1, 1) * strength.saturation))
    picture = cv2.LUT(picture, _curve(rng, strength))
    if rng.random() < strength.blur:
        picture = _blurred(rng, picture)
    if rng.random() < strength.noise:
        noise = _noise(picture.shape[0], rng.randrange(NOISES))
        picture = cv2.add(picture, noise, dtype=cv2.CV_8U)
    if rng.random() < strength.jpeg:
        picture = _compressed(picture, rng.randint(30, 90))
    return picture


def _curve(rng: random.Random, strength: Strength) -> Picture:
    """One table a channel: gain by colour temperature and exposure, then gamma."""
    warmth, green = rng.uniform(-1, 1) * strength.warmth, rng.uniform(-1, 1) * strength.warmth / 3
    exposure = 1 + rng.uniform(-1, 1) * strength.gain
    gains = np.array([1 + warmth, 1 + green, 1 - warmth], np.float32) * exposure
    exponent = strength.gamma ** rng.uniform(-1, 1)
    table = np.clip(_STEPS[:, None] * gains, 0, 1) ** np.float32(exponent) * 255
    return table.astype(np.uint8).reshape(256, 1, 3)


def _saturation(amount: float) -> NDArray[np.float32]:
    """Toward (below 1) or away from (above 1) grey by Rec. 601's luma."""
    return np.float32(amount) * np.eye(3, dtype=np.float32) + np.float32(1 - amount) * _LUMA


def _blurred(rng: random.Random, picture: Picture) -> Picture:
    share = picture.shape[0] / 96  # sigmas are in pixels of the network's native input
    if rng.random() < 0.7:
        return cv2.GaussianBlur(picture, (0, 0), share * rng.uniform(0.4, 1.3))
    length = max(3, round(share * rng.uniform(3, 7)))
    kernel = np.zeros((length, length), np.float32)
    x, y = (length - 1) * rng.random(), (length - 1) * rng.random()
    cv2.line(kernel, (round(x), round(y)), (length - 1 - round(x), length - 1 - round(y)), 1.0)
    return cv2.filter2D(picture, -1, kernel / max(kernel.sum(), 1))


def _compressed(picture: Picture, quality: int) -> Picture:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@cache
def _ramp(side: int, which: int) -> NDArray[np.float32]:
    """Light from one direction: from 0.55–0.9 on the far side to 1.05–1.2 on the near one."""
    rng = random.Random(which)
    angle, near, far = rng.uniform(0, 2 * np.pi), rng.uniform(1.05, 1.2), rng.uniform(0.55, 0.9)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    along = (np.cos(angle) * x + np.sin(angle) * y) / np.sqrt(2) / 2 + 0.5
    plane = (far + (near - far) * along).astype(np.float32)
    return np.repeat(plane[..., None], 3, axis=2)


@cache
def _noise(side: int, which: int) -> NDArray[np.int16]:
    generator = np.random.Generator(np.random.PCG64(which))
    grain = generator.standard_normal((side, side, 3)) * generator.uniform(2, 10)
    return grain.round().astype(np.int16)


cv2.setNumThreads(1)  # pictures are small, and a pool of threads does not survive a fork
RAMPS = NOISES = 64
_STEPS = np.linspace(0, 1, 256, dtype=np.float32)
_LUMA = np.array([[0.299, 0.587, 0.114]] * 3, np.float32)
