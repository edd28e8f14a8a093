"""Batches by number: batch i of a seed is the same whoever draws it, and in whatever order."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from backbone.bank import Bank
from backbone.compose import KINDS, Composer, Photos
from backbone.light import STUDIO, photograph
from backbone.team import Team
from orchard.knowledge import species_of

SHARES = (0.3, 0.35, 0.35)  # of KINDS among the pictures drawn anew
NONE = -1  # no label: its head learns nothing from this picture


@dataclass(frozen=True, slots=True)
class Classes:
    """The label heads and what each of their outputs stands for, sorted."""

    variety: tuple[str, ...]
    scene: tuple[str, ...]
    species: tuple[str, ...]

    @classmethod
    def of(cls, photos: Photos) -> Classes:
        """Of what may be seen; a class left out whole has no output."""
        fruit = {photos.fruit.labels[i] for i in photos.fruit_seen}
        scenes = {photos.scenes.labels[i] for i in photos.scenes_seen}
        species = {found for label in fruit | scenes if (found := species_of(label))}
        return cls(*(tuple(sorted(names)) for names in (fruit, scenes, species)))


class Batches(Dataset[dict[str, Tensor]]):
    """__getitem__((number, side)) → pixels (n, side, side, 3) uint8, and for each head (n,) int64.

    The first `from_bank` pictures of a batch come from the bank; "teacher" holds their rows there.
    """

    def __init__(
        self,
        composer: Composer,
        classes: Classes,
        bank: Bank | None,
        n: int,
        share: float,
        seed: int,
    ) -> None:
        self.composer, self.bank, self.n, self.seed = composer, bank, n, seed
        self.from_bank = round(n * share) if bank is not None else 0
        self._labels = _Labels(composer.photos, classes)

    def __getitem__(self, item: tuple[int, int]) -> dict[str, Tensor]:
        number, side = item
        rng = random.Random(f"batch {self.seed} {number}")
        pixels = np.empty((self.n, side, side, 3), np.uint8)
        labels = np.full((self.n, 4), NONE, np.int64)
        for i in range(self.n):
            if i < self.from_bank:
                pixels[i], labels[i, 3], kind, photo = self._kept(rng, side)
            else:
                kind = rng.choices(range(len(KINDS)), SHARES)[0]
                pixels[i], photo = self.composer.picture(rng, KINDS[kind], side)
            labels[i, :3] = self._labels(KINDS[kind] == "scene", photo)
        columns = torch.from_numpy(labels).unbind(1)
        heads = dict(zip(("variety", "scene", "species", "teacher"), columns, strict=True))
        return {"pixels": torch.from_numpy(pixels)} | heads

    def _kept(self, rng: random.Random, side: int) -> tuple[np.ndarray, int, int, int]:
        """One picture of the bank, changed so little that the teacher's answer still holds."""
        assert self.bank is not None
        row = rng.randrange(len(self.bank))
        picture = self.bank.pixels[row]
        whole = picture.shape[0]
        edge = round(whole * rng.uniform(0.9, 1))
        x, y = rng.randint(0, whole - edge), rng.randint(0, whole - edge)
        part = np.ascontiguousarray(picture[y : y + edge, x : x + edge])
        part = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
        part = cv2.flip(part, 1) if rng.random() < 0.5 else part
        photo = int(self.bank.photos[row])
        return photograph(rng, part, STUDIO), row, int(self.bank.kinds[row]), photo


class _Labels:
    """Of every photo, seen or not, its place in each label head."""

    def __init__(self, photos: Photos, classes: Classes) -> None:
        species = {name: i for i, name in enumerate(classes.species)}
        self._of = {
            is_scene: _places(names, album.labels, species)
            for is_scene, names, album in (
                (False, classes.variety, photos.fruit),
                (True, classes.scene, photos.scenes),
            )
        }

    def __call__(self, is_scene: bool, photo: int) -> tuple[int, int, int]:
        place, species = self._of[is_scene][photo]
        return (NONE, place, species) if is_scene else (place, NONE, species)


def _places(
    names: tuple[str, ...], labels: list[str], species: dict[str, int]
) -> list[tuple[int, int]]:
    place = {name: i for i, name in enumerate(names)}
    kind = {name: species.get(species_of(name) or "", NONE) for name in set(labels)}
    return [(place.get(label, NONE), kind[label]) for label in labels]


def loader(
    batches: Batches,
    first: int,
    side: Callable[[int], int],
    workers: int,
    team: Team | None = None,
) -> Iterator[dict[str, Tensor]]:
    """Batches from number `first` on, without end; `side` is asked when one is ordered.

    Of a team each has batches of its own, as many times smaller.
    """
    team = team or Team()

    def orders() -> Iterator[tuple[int, int]]:
        number = first
        while True:
            yield number * team.size + team.rank, side(number)
            number += 1

    return iter(
        DataLoader(
            batches,
            sampler=_Orders(orders),
            batch_size=None,
            num_workers=workers,
            worker_init_fn=_left_alone,
            prefetch_factor=4 if workers else None,
            pin_memory=torch.cuda.is_available(),
        )
    )


def _left_alone(worker: int) -> None:
    """Ctrl-C and SIGTERM reach all processes of a group; who trains ends those who draw."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


class _Orders:
    def __init__(self, orders: Callable[[], Iterator[tuple[int, int]]]) -> None:
        self._orders = orders

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return self._orders()
