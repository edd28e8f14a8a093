"""The options that every program here shares, and the photos that they name."""

from __future__ import annotations

import argparse
from pathlib import Path

from backbone.album import Album, open_album
from backbone.compose import Photos
from backbone.protocol import PROTOCOLS, Protocol

FRUIT_SIDE = 100  # of Fruits-360's photos
SCENE_SIDE = 256  # crops down to a tenth of the area still have 80 pixels


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fruit",
        type=Path,
        required=True,
        metavar="DIR",
        help="photos on white, a folder a class (Fruits-360)",
    )
    parser.add_argument(
        "--scenes",
        type=Path,
        required=True,
        metavar="DIR",
        help="photos of shops, a folder a class (Grocery Store Dataset)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(".cache/backbone"),
        metavar="DIR",
        help="where decoded photos and the teacher's answers are kept",
    )
    parser.add_argument(
        "--protocol",
        choices=sorted(PROTOCOLS),
        default="held-out",
        help="what the backbone may not see",
    )
    parser.add_argument("--seed", type=int, default=0)


def albums_of(arguments: argparse.Namespace) -> tuple[Album, Album]:
    fruit = open_album(arguments.fruit, arguments.cache, FRUIT_SIDE, on_white=True)
    scenes = open_album(arguments.scenes, arguments.cache, SCENE_SIDE, on_white=False)
    return fruit, scenes


def photos_of(arguments: argparse.Namespace) -> Photos:
    fruit, scenes = albums_of(arguments)
    protocol = PROTOCOLS[arguments.protocol]
    return Photos(fruit, scenes, _seen(fruit, protocol), _seen(scenes, protocol))


def _seen(album: Album, protocol: Protocol) -> tuple[int, ...]:
    return tuple(i for i, path in enumerate(album.paths) if protocol.sees(path))
