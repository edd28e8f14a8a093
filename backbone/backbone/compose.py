"""Pictures to learn from: fruit set before crops of other photos, and those photos themselves.

    plain      a photo on white as it is, turned, shifted and scaled a little
    composite  1 to 6 fruits of one class, cut out by their masks, over a crop of a shop's photo, a
               blur of one, a close-up of other fruit, or one colour; some with another fruit behind
    scene      a crop of a shop's photo

A picture is a pure function of its random generator, the photos and the side in pixels.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from backbone.album import Album
from backbone.light import SHOP, STUDIO, Picture, photograph

Kind = Literal["plain", "composite", "scene"]
KINDS: tuple[Kind, ...] = ("plain", "composite", "scene")


@dataclass(frozen=True, slots=True)
class Photos:
    """What may be seen: albums, and the indices into each that the protocol allows."""

    fruit: Album
    scenes: Album
    fruit_seen: tuple[int, ...]
    scenes_seen: tuple[int, ...]


class Composer:
    def __init__(self, photos: Photos) -> None:
        self.photos = photos
        self._labels = photos.fruit.labels
        self._mates: dict[str, list[int]] = defaultdict(list)
        for index in photos.fruit_seen:
            self._mates[self._labels[index]].append(index)

    def picture(self, rng: random.Random, kind: Kind, side: int) -> tuple[Picture, int]:
        """(side, side, 3) RGB, and the index of its photo in its album (`scenes` or `fruit`)."""
        seen = self.photos.scenes_seen if kind == "scene" else self.photos.fruit_seen
        index = seen[rng.randrange(len(seen))]
        draw = {"plain": self._plain, "composite": self._composite, "scene": self._scene}[kind]
        return draw(rng, index, side), index

    def _plain(self, rng: random.Random, index: int, side: int) -> Picture:
        photo = self.photos.fruit.pixels[index]
        size = side * (1.0 if rng.random() < 0.5 else rng.uniform(0.6, 1.6))
        turn = rng.gauss(0, 8) if rng.random() < 0.5 else rng.uniform(0, 360)
        room = 0.15 * side if size > side else 0.5 * (side - size) + 0.03 * side
        matrix = _placed(rng, photo.shape[0], side, size, turn, room)
        rgb = cv2.warpAffine(
            np.ascontiguousarray(photo[..., :3]),
            matrix,
            (side, side),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(255, 255, 255),
        )
        return photograph(rng, rgb, STUDIO)

    def _composite(self, rng: random.Random, index: int, side: int) -> Picture:
        picture = self._ground(rng, side)
        if rng.random() < 0.2:
            other = self.photos.fruit_seen[rng.randrange(len(self.photos.fruit_seen))]
            picture = self._set(rng, picture, other, rng.uniform(0.25, 0.5), 0.5)
        n = rng.choices((1, 2, 3, 4, 6), (50, 20, 12, 10, 8))[0]
        mates = self._mates[self._labels[index]]
        for i in range(n):
            which = index if i == n - 1 else mates[rng.randrange(len(mates))]
            size = rng.uniform(0.45, 1.5) if n == 1 else rng.uniform(0.7, 1.2) / math.sqrt(n)
            picture = self._set(rng, picture, which, size, 0.15 if n == 1 else 0.38)
        return photograph(rng, picture, SHOP)

    def _scene(self, rng: random.Random, index: int, side: int) -> Picture:
        return photograph(rng, self._crop(rng, index, side, 0.25), SHOP)

    def _ground(self, rng: random.Random, side: int) -> Picture:
        """What lies behind the fruit."""
        chance = rng.random()
        scenes, fruit = self.photos.scenes_seen, self.photos.fruit_seen
        if chance < 0.75:
            ground = self._crop(rng, scenes[rng.randrange(len(scenes))], side, 0.05)
            if chance < 0.3:
                ground = cv2.GaussianBlur(ground, (0, 0), side / 96 * rng.uniform(1, 6))
            return ground
        if chance < 0.85:  # the middle of a fruit, close up: a texture
            photo = self.photos.fruit.pixels[fruit[rng.randrange(len(fruit))]]
            near = photo.shape[0] // 3
            texture = np.ascontiguousarray(photo[near : 2 * near, near : 2 * near, :3])
            return cv2.resize(texture, (side, side), interpolation=cv2.INTER_CUBIC)
        grey = rng.randint(20, 250)
        colour = [min(255, max(0, grey + rng.randint(-30, 30))) for _ in range(3)]
        return np.full((side, side, 3), colour, np.uint8)

    def _crop(self, rng: random.Random, index: int, side: int, smallest: float) -> Picture:
        """An area from `smallest` to all of it (one in five or so), sides from 3:4 to 4:3.

        After Szegedy et al. 2015; all of it more often, since that is what users show.
        """
        photo = self.photos.scenes.pixels[index]
        whole = photo.shape[0]
        edge = math.sqrt(min(1, rng.uniform(smallest, 1.2))) * whole
        stretch = math.sqrt(math.exp(rng.uniform(-1, 1) * math.log(4 / 3)))
        width, height = min(whole, round(edge * stretch)), min(whole, round(edge / stretch))
        x, y = rng.randint(0, whole - width), rng.randint(0, whole - height)
        part = np.ascontiguousarray(photo[y : y + height, x : x + width])
        way = cv2.INTER_AREA if min(width, height) > side else cv2.INTER_LINEAR
        crop = cv2.resize(part, (side, side), interpolation=way)
        return cv2.flip(crop, 1) if rng.random() < 0.5 else crop

    def _set(
        self, rng: random.Random, picture: Picture, index: int, size: float, room: float
    ) -> Picture:
        """One fruit on the picture, with its shadow. size, room: in sides of the picture."""
        side, photo = picture.shape[0], self.photos.fruit.pixels[index]
        if size * side < photo.shape[0] / 2:  # a linear warp would skip pixels
            photo = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        turn = rng.uniform(0, 360)
        matrix = _placed(rng, photo.shape[0], side, size * side, turn, room * side)
        cut = cv2.warpAffine(photo, matrix, (side, side), flags=cv2.INTER_LINEAR)
        alpha = cut[..., 3].astype(np.float32) * np.float32(1 / 255)
        if rng.random() < 0.5:
            picture = _shadowed(rng, picture, alpha)
        return cv2.blendLinear(np.ascontiguousarray(cut[..., :3]), picture, alpha, 1 - alpha)


def _shadowed(rng: random.Random, picture: Picture, alpha: np.ndarray) -> Picture:
    side = picture.shape[0]
    dx, dy = (rng.uniform(-0.08, 0.08) * side for _ in range(2))
    small = cv2.resize(alpha, (side // 4, side // 4), interpolation=cv2.INTER_AREA)
    moved = cv2.warpAffine(small, np.float32([[1, 0, dx / 4], [0, 1, dy / 4]]), small.shape)
    soft = cv2.resize(cv2.GaussianBlur(moved, (0, 0), side / 4 * 0.04), (side, side))
    soft = soft * np.float32(rng.uniform(0.2, 0.6))
    return cv2.blendLinear(picture, np.zeros_like(picture), 1 - soft, soft)


def _placed(
    rng: random.Random, whole: int, side: int, size: float, turn: float, room: float
) -> np.ndarray:
    """The affine map of a photo of `whole` pixels to one of `size` around the picture's middle."""
    middle = (whole - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), turn, size / whole)
    if rng.random() < 0.5:
        matrix = matrix @ np.array([[-1, 0, 2 * middle], [0, 1, 0], [0, 0, 1]])
    matrix[:, 2] += (side - 1) / 2 - middle
    matrix[0, 2] += rng.uniform(-room, room)
    matrix[1, 2] += rng.uniform(-room, room)
    return matrix
