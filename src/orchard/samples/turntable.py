"""Rendered turntable fruit: a sample data set without a download, laid out as Fruits-360 is.

    DIR/Banana/12_100.jpg      frame 12, a turn of 12 degrees about the upright axis, 100 pixels
    DIR/Banana/r_12_100.jpg    the same fruit about the second axis

A file's pixels follow from its name and the seed alone, so a larger sample contains a smaller one.
Each image says in a JPEG comment that it was rendered.
"""

from __future__ import annotations

import io
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from orchard.errors import ConfigError, SourceError
from orchard.samples.rendered.fruit import fruit
from orchard.samples.rendered.species import TABLE

SPECIES: tuple[str, ...] = tuple(species.name for species in TABLE)
AXES = (0, 1)
TURN = 360  # frames to a turn; frame 360 is the first of the species' next individual
MIN_SIZE, MAX_SIZE = 16, 1024
MARK = b"rendered by Orchard, not a photo; seed "
PER_PROCESS = 1000  # images that are worth the half second in which another process starts
_QUALITY = 90


def render(
    species: str, angle: float, *, axis: int = 0, seed: int = 0, size: int = 100,
    individual: int = 0,
) -> NDArray[np.uint8]:  # fmt: skip
    """A fruit on a white ground: (size, size, 3) of RGB.

    species: one of SPECIES. angle: of the turntable, in degrees. axis: 0 turns the fruit about its
    own upright axis, 1 end over end (a banana about its length). seed, individual: which fruit of
    the species; size, hue, blush and foliage differ. Raises ConfigError where one of them is out of
    range.
    """
    if species not in SPECIES:
        raise ConfigError(f"species {species!r}: expected one of {', '.join(SPECIES)}")
    if axis not in AXES:
        raise ConfigError(f"axis {axis!r}: expected 0 (upright) or 1 (end over end)")
    if not np.isfinite(angle):
        raise ConfigError(f"angle {angle!r}: expected a finite number of degrees, such as 12.5")
    check_seed(seed)
    check_size(size)
    return fruit(species, seed, individual).image(angle % 360.0, axis, size)


def write_sample(
    directory: Path,
    count: int = 494,
    *,
    seed: int = 0,
    size: int = 100,
    processes: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Write `count` rendered images, spread evenly over the species; returns how many were written.

    Files that are already as they should be are left alone, so a second call writes nothing and an
    interrupted one is completed. processes: how many may render at once; more than one begin new
    interpreters, so a script that asks for them needs `if __name__ == "__main__":`, and fewer are
    taken where starting them would take longer than the pictures. on_progress is called with the
    number of images dealt with so far. Raises ConfigError where a setting is out of range,
    SourceError where the directory cannot be written or one of the names is taken by a file that
    Orchard did not render.
    """
    check_count(count)
    check_seed(seed)
    check_size(size)
    writer = _Writer(Path(directory), seed, size)
    processes = min(processes, count // PER_PROCESS)
    done = written = 0
    for n_frames, n_written in _written(writer, count, processes):
        done, written = done + n_frames, written + n_written
        if on_progress is not None:
            on_progress(done)
    return written


def _written(writer: _Writer, count: int, processes: int) -> Iterator[tuple[int, int]]:
    """How many frames were dealt with, and how many written, in steps."""
    if processes <= 1:
        yield from ((1, writer((frame,))) for frame in _frames(count))
        return
    fruits = [tuple(frames) for _, frames in groupby(_frames(count), Frame.fruit)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, leave_ctrl_c_to_the_parent) as pool:
        try:
            yield from zip(map(len, fruits), pool.map(writer, fruits), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


def leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes frames; returns how many files had to be written."""

    directory: Path
    seed: int
    size: int

    def __call__(self, frames: Sequence[Frame]) -> int:
        return sum(self._write(frame) for frame in frames)

    def _write(self, frame: Frame) -> bool:
        folder, name = self.directory / frame.species, frame.name(self.size)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return _write(folder / name, frame.encoded(self.seed, self.size))
        except OSError as error:
            raise SourceError(
                f"{folder / name}: {error.strerror or error}: expected a directory with room that "
                "can be written; choose another, or make room and run again to complete it"
            ) from None


@dataclass(frozen=True, slots=True)
class Frame:
    species: str
    axis: int
    number: int

    def fruit(self) -> tuple[str, int, int]:
        """What one skin is painted for."""
        return self.species, self.axis, self.number // TURN

    def name(self, size: int) -> str:
        return f"{'r_' * self.axis}{self.number}_{size}.jpg"

    def encoded(self, seed: int, size: int) -> bytes:
        individual, angle = divmod(self.number, TURN)
        pixels = render(
            self.species, angle * 360 / TURN, axis=self.axis, seed=seed, size=size,
            individual=individual,
        )  # fmt: skip
        file = io.BytesIO()
        comment = MARK + str(seed).encode()
        Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY, comment=comment)
        return file.getvalue()


def _frames(count: int) -> Iterator[Frame]:
    """The sample's frames: both axes of each species, evenly round the turn."""
    for k, species in enumerate(SPECIES):
        of_species = _share(count, k, len(SPECIES))
        for axis in AXES:
            n = _share(of_species, axis, len(AXES))
            frames = TURN * -(-n // TURN)
            for i in range(n):
                yield Frame(species, axis, i * frames // n)


def _share(total: int, k: int, parts: int) -> int:
    """The k-th of `parts` nearly equal whole parts of a total, the larger first."""
    return (total + parts - 1 - k) // parts


def _write(path: Path, encoded: bytes) -> bool:
    """Whether the file had to be written; it appears whole or not at all."""
    found = path.read_bytes() if path.exists() else None
    if found == encoded:
        return False
    if found is not None and MARK not in found[:1024]:
        raise SourceError(
            f"{path}: expected nothing, or an image that Orchard rendered; this is another "
            "file, and was left unchanged: choose an empty directory"
        )
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_bytes(encoded)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return True


def check_count(count: int) -> None:
    if count < 1:
        raise ConfigError(f"count {count}: expected a whole number of at least 1, such as 494")


def check_seed(seed: int) -> None:
    if seed < 0:
        raise ConfigError(f"seed {seed}: expected a whole number of at least 0")


def check_size(size: int) -> None:
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ConfigError(
            f"size {size}: expected a whole number of pixels from {MIN_SIZE} to {MAX_SIZE}; "
            "Fruits-360 has 100"
        )
