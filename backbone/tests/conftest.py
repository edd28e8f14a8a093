"""Rendered fruit in folders laid out as the two data sets are: nothing is downloaded."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

TRAINING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TRAINING), str(TRAINING.parent / "src")]

COLOURS = {
    "Apple Red 1": (200, 30, 30),
    "Apple Golden 1": (220, 200, 60),
    "Pear 1": (150, 180, 60),
    "Tomato 1": (230, 60, 40),
}
SHOPS = {"Kiwi": (110, 90, 50), "Banana": (230, 210, 60)}


def photo_on_white(colour: tuple[int, int, int], turn: int) -> np.ndarray:
    photo = np.full((100, 100, 3), 255, np.uint8)
    cv2.ellipse(photo, (50, 50), (45, 35), turn, 0, 360, colour, -1)
    cv2.circle(photo, (45, 40), 8, (255, 255, 255), -1)  # a highlight, white inside the fruit
    return photo


def write(file: Path, picture: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fruit/<class>/[r_]<frame>_100.jpg and scenes/<class>/{train,val}-….jpg"""
    home = tmp_path_factory.mktemp("data")
    for label, colour in COLOURS.items():
        for prefix in ("", "r_"):
            for frame in range(0, 80, 10):
                picture = photo_on_white(colour, frame)
                write(home / "fruit" / label / f"{prefix}{frame}_100.jpg", picture)
    noise = np.random.default_rng(1)
    for label, colour in SHOPS.items():
        for part, n in (("train", 6), ("val", 3)):
            for i in range(n):
                grain = noise.integers(-40, 40, (120, 160, 3))
                picture = np.clip(np.array(colour) + grain, 0, 255).astype(np.uint8)
                write(home / "scenes" / label / f"{part}-{label}_{i:03}.jpg", picture)
    return home


@pytest.fixture(scope="session")
def options(data: Path) -> argparse.Namespace:
    return argparse.Namespace(
        fruit=data / "fruit", scenes=data / "scenes", cache=data / "cache", protocol="held-out"
    )
