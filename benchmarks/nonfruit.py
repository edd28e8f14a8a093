"""Pictures without fruit, as files: what people point a phone at besides, for `refusal.py`.

    python benchmarks/nonfruit.py FOLDER

A folder for each kind: photos that scikit-image (`pip install scikit-image`), scikit-learn and
matplotlib carry as samples, and cuts from them (people, a cat, a cup, coins, streets, skies, cells,
a rocket, printed pages); small faces (Labeled Faces in the Wild, 25 pixels, from scikit-image); and
pictures made here: drawn faces, rooms, landscapes, things on tables, shaded balls (the hardest:
round and coloured), textures, windows of programs, charts. The same pictures each time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from orchard.training.nonfruit import made_pictures

SIDE = 360
CUTS = 8
N = 40  # of each made kind
Rng = np.random.Generator
CARRIED = {
    "skimage/data": (
        "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "clock_motion.png",
        "coffee.png", "coins.png", "grass.png", "gravel.png", "horse.png", "hubble_deep_field.jpg",
        "ihc.png", "microaneurysms.png", "moon.png", "motorcycle_left.png", "page.png",
        "retina.jpg", "rocket.jpg", "text.png",
    ),
    "sklearn/datasets/images": ("china.jpg", "flower.jpg"),
    "matplotlib/mpl-data/sample_data": ("grace_hopper.jpg",),
}  # fmt: skip


def folder_in(package: str) -> Path | None:
    """A folder of an installed package, which is not imported for it."""
    name, _, below = package.partition("/")
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        print(f"{name} is not installed: its pictures are left out")
        return None
    return Path(spec.origin).parent / below


def carried() -> Iterator[Image.Image]:
    for package, names in CARRIED.items():
        if folder := folder_in(package):
            for name in names:
                yield Image.open(folder / name).convert("RGB")


def cuts(rng: Rng) -> Iterator[Image.Image]:
    for photo in carried():
        for _ in range(CUTS):
            side = int(min(photo.size) * rng.uniform(0.3, 0.7))
            left, top = (int(rng.integers(0, whole - side + 1)) for whole in photo.size)
            yield photo.crop((left, top, left + side, top + side))


def small_faces(rng: Rng) -> Iterator[Image.Image]:
    folder = folder_in("skimage/data")
    faces = np.load(folder / "lfw_subset.npy") if folder else ()
    for face in faces[:N]:  # the first hundred are faces
        yield Image.fromarray((255 * face).astype(np.uint8)).convert("RGB").resize((SIDE, SIDE))


def colour(rng: Rng, low: int = 0, high: int = 256) -> tuple[int, ...]:
    return tuple(rng.integers(low, high, 3).tolist())


def ground(rng: Rng) -> Image.Image:
    """A wall of uneven light, with the noise of a camera."""
    corners = np.array([colour(rng, 60) for _ in range(4)], np.uint8).reshape(2, 2, 3)
    return Image.fromarray(corners).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def photographed(image: Image.Image, rng: Rng) -> Image.Image:
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.5))), np.float64)
    noisy = soft + rng.normal(0, rng.uniform(1, 6), soft.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def drawn_face(rng: Rng) -> Image.Image:
    image = ground(rng)
    draw = ImageDraw.Draw(image)
    x, y, r = *rng.integers(140, 220, 2).tolist(), int(rng.integers(70, 130))
    skin, hair = colour(rng, 120), colour(rng, 0, 120)
    draw.ellipse((x - r, y - 1.3 * r, x + r, y + 0.6 * r), hair)
    draw.ellipse((x - 0.85 * r, y - r, x + 0.85 * r, y + 1.2 * r), skin)
    for side in (-1, 1):
        eye = x + side * 0.35 * r
        draw.ellipse((eye - 0.16 * r, y - 0.2 * r, eye + 0.16 * r, y), "white")
        draw.ellipse((eye - 0.07 * r, y - 0.16 * r, eye + 0.07 * r, y - 0.02 * r), hair)
    draw.line((x, y, x - 0.08 * r, y + 0.3 * r, x + 0.06 * r, y + 0.3 * r), hair, 3)
    draw.arc((x - 0.4 * r, y + 0.3 * r, x + 0.4 * r, y + 0.8 * r), 20, 160, colour(rng, 90), 5)
    return photographed(image, rng)


def room(rng: Rng) -> Image.Image:
    image = ground(rng)
    draw = ImageDraw.Draw(image)
    floor = int(rng.integers(200, 280))
    draw.rectangle((0, floor, SIDE, SIDE), colour(rng, 40, 180))
    left = int(rng.integers(20, 200))
    draw.rectangle((left, 40, left + 110, 150), colour(rng, 150))
    draw.line((left + 55, 40, left + 55, 150), "white", 4)
    for _ in range(int(rng.integers(2, 6))):
        x, w, h = rng.integers(0, 300), rng.integers(30, 140), rng.integers(30, 130)
        body = (int(x), floor + 30 - int(h), int(x + w), floor + 30)
        draw.rectangle(body, colour(rng), outline=colour(rng, 0, 80))
        if rng.random() < 0.5:
            draw.line((body[0], body[1] + 12, body[2], body[1] + 12), colour(rng, 0, 80), 2)
    return photographed(image, rng)


def landscape(rng: Rng) -> Image.Image:
    image = Image.fromarray(np.array([[colour(rng, 120)], [colour(rng, 150)]], np.uint8))
    image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for layer in range(4):
        steps = np.cumsum(rng.normal(0, 12, 37)) + 140 + 45 * layer
        line = [(10.0 * i, float(y)) for i, y in enumerate(steps)]
        draw.polygon([(0, SIDE), *line, (SIDE, SIDE)], colour(rng, 20, 160))
    return photographed(image, rng)


def table(rng: Rng) -> Image.Image:
    """A cup, books, a bottle: upright things with edges."""
    image = ground(rng)
    draw = ImageDraw.Draw(image)
    edge = int(rng.integers(180, 260))
    draw.rectangle((0, edge, SIDE, SIDE), colour(rng, 60, 200))
    for _ in range(int(rng.integers(2, 5))):
        x, w, h = (int(v) for v in rng.integers((20, 30, 50), (290, 80, 150)))
        top, bottom, own = edge + 40 - h, edge + 40, colour(rng)
        match rng.integers(3):
            case 0:  # a cup with its handle
                draw.arc((x + w - 15, top + 20, x + w + 25, top + 70), 270, 90, own, 9)
                draw.rectangle((x, top + 10, x + w, bottom), own)
                draw.ellipse((x, top, x + w, top + 20), colour(rng, 0, 90))
            case 1:  # books
                for row in range(top, bottom - 14, 16):
                    draw.rectangle((x, row, x + w + 40, row + 14), colour(rng))
            case _:  # a bottle
                draw.rounded_rectangle((x, top, x + w, bottom), 12, own)
                draw.rectangle((x + w // 3, top - 45, x + 2 * w // 3, top + 6), own)
                draw.rectangle((x + 3, top + 30, x + w - 3, bottom - 20), colour(rng, 150))
    return photographed(image, rng)


def ball(rng: Rng) -> Image.Image:
    """A shaded sphere with its highlight and shadow: a marble, a toy, a lamp."""
    image = np.asarray(ground(rng), np.float64)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    cx, cy, r = *rng.uniform(140, 220, 2), rng.uniform(50, 130)
    shadow = np.exp(-(((x - cx - r / 3) / r) ** 2 + ((y - cy - r * 0.9) / (r / 3)) ** 2))
    image = image * (1 - 0.6 * shadow[..., None])
    nx, ny = (x - cx) / r, (y - cy) / r
    inside = nx**2 + ny**2 < 1
    nz = np.sqrt(np.maximum(0, 1 - nx**2 - ny**2))
    light = np.maximum(0, -0.5 * nx - 0.6 * ny + 0.62 * nz)
    own = np.array(colour(rng), np.float64)
    if rng.random() < 0.4:  # in two colours, as beach balls are
        own = np.where((np.sin(6 * nx + rng.uniform(0, 6)) > 0)[..., None], own, colour(rng))
    shaded = own * (0.25 + 0.75 * light[..., None]) + 200 * (light**30)[..., None]
    image = np.where(inside[..., None], shaded, image)
    return photographed(Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)), rng)


def window(rng: Rng) -> Image.Image:
    """A program on a screen."""
    dark = rng.random() < 0.4
    paper, ink = ((30, 32, 38), 210) if dark else ((250, 250, 250), 40)
    image = Image.new("RGB", (SIDE, SIDE), paper)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIDE, 26), colour(rng, 40, 220))
    for left in (8, 26, 44):
        draw.ellipse((left, 7, left + 12, 19), colour(rng, 80))
    side = int(rng.integers(0, 110))
    draw.rectangle((0, 26, side, SIDE), tuple(min(255, part + 12) for part in paper))
    for top in range(40, SIDE - 10, int(rng.integers(11, 18))):
        x = side + int(rng.integers(8, 40))
        while x < SIDE - 40 and rng.random() < 0.9:
            width = int(rng.integers(10, 50))
            tone = ink if rng.random() < 0.8 else colour(rng, 60)
            draw.rectangle(
                (x, top, x + width, top + 5), tone if isinstance(tone, tuple) else 3 * (tone,)
            )
            x += width + 6
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.integers(side, 300), rng.integers(60, 300)
        draw.rounded_rectangle((x, y, x + 90, y + 30), 6, colour(rng))
    return image


def chart(rng: Rng) -> Image.Image:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6, 3.6), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    own = [tuple(rng.random(3)) for _ in range(6)]
    match rng.integers(4):
        case 0:
            for line in own[:3]:
                axes.plot(rng.normal(size=40).cumsum(), color=line)
        case 1:
            axes.bar(range(6), rng.random(6), color=own)
        case 2:
            axes.scatter(*rng.normal(size=(2, 120)), c=rng.random(120), s=rng.uniform(5, 90))
        case _:
            axes.pie(rng.random(5) + 0.1, colors=own)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


MADE: dict[str, Callable[[Rng], Image.Image]] = {
    "drawn-face": drawn_face, "room": room, "landscape": landscape, "table": table, "ball": ball,
    "window": window, "chart": chart,
}  # fmt: skip


def pictures() -> Iterator[tuple[str, Image.Image]]:
    """(kind, picture), the same each time."""
    for photo in carried():
        yield "photo", photo
    for kind, several in (("cut", cuts), ("small-face", small_faces)):
        for image in several(np.random.default_rng(1)):
            yield kind, image
    for kind, make in MADE.items():
        rng = np.random.default_rng(2)
        for _ in range(N):
            yield kind, make(rng)
    for array in made_pictures(N, SIDE, seed=1234):
        yield "texture", Image.fromarray(array)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for number, (kind, image) in enumerate(pictures()):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        image.save(folder / kind / f"{number:04}.png")
    print(f"{number + 1} pictures in {folder}")


if __name__ == "__main__":
    main()
