"""Accuracy on phone photos by networks and views, side by side, and what each costs.

    python benchmarks/networks.py GROCERY CACHE imagenet lite2.onnx

GROCERY: photos, one folder a class; those named `val-…` are held out. CACHE keeps the features of
each network and view, so that a second call is quick. Each row's C is chosen by scene, as in
`accuracy.py`, on the training photos alone; so is the row whose held-out figures are shown at the
end, beside those of the first network with two views, the choice before this table.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy import SCENES, by_scene, linear, scenes
from PIL import Image

from orchard.classify.calibration import fit_temperature, softmax
from orchard.classify.space import Space
from orchard.images.views import VIEWS
from orchard.model import Embedder, Model, load_model
from orchard.model.halves import halved
from orchard.reduction import Moments, fit
from orchard.training import local
from orchard.training.evaluate import by_species, score
from orchard.training.reading import species_of

SETS = (("plain",), ("plain", "zoom"), ("plain", "zoom", "near"))
COMPONENTS = 300
TIMED = 48  # photos


@dataclass(frozen=True)
class Network:
    """features: of each view, (n, d). ms: of processor time a pass. megabytes: packed, float16."""

    name: str
    features: dict[str, np.ndarray]
    ms: float
    megabytes: float


@dataclass(frozen=True)
class Photos:
    paths: list[Path]
    y: np.ndarray
    classes: tuple[str, ...]
    held: np.ndarray

    @classmethod
    def of(cls, folder: Path) -> Photos:
        paths = sorted(folder.glob("*/*"), key=str)
        classes, y = np.unique([path.parent.name for path in paths], return_inverse=True)
        held = np.array([path.name.startswith("val-") for path in paths])
        return cls(paths, y, tuple(classes.tolist()), held)


def squares(model: Model, paths: list[Path], view: str) -> np.ndarray:
    shown = (VIEWS[view](Image.open(path).convert("RGB"), model.size) for path in paths)
    return np.stack([np.asarray(one) for one in shown])


def features(model: Model, photos: Photos, view: str, cache: Path) -> np.ndarray:
    kept = cache / f"{model.name}-{model.size}-{view}.npy"
    if not kept.exists():
        embedder = Embedder(model)
        parts = [photos.paths[start : start + 16] for start in range(0, len(photos.paths), 16)]
        np.save(kept, np.concatenate([embedder(squares(model, part, view)) for part in parts]))
    found: np.ndarray = np.load(kept)
    return found


def network(weights: str, photos: Photos, cache: Path) -> Network:
    model = load_model(weights)
    embedder, pixels = Embedder(model), squares(model, photos.paths[:TIMED], "plain")
    embedder(pixels[:8])
    started = time.process_time()
    embedder(pixels)
    ms = 1000 * (time.process_time() - started) / len(pixels)
    views = sorted({view for views in SETS for view in views})
    found = {view: features(model, photos, view, cache) for view in views}
    return Network(model.name, found, ms, len(gzip.compress(halved(model.onnx), 6)) / 1e6)


@dataclass(frozen=True)
class Row:
    names: str
    views: tuple[str, ...]
    inputs: np.ndarray
    setting: float
    variety: float
    species: float
    temperature: float


def row(networks: tuple[Network, ...], views: tuple[str, ...], photos: Photos,
        folds: np.ndarray) -> Row:  # fmt: skip
    train, y = ~photos.held, photos.y[~photos.held]
    x = np.hstack([np.mean([one.features[view] for view in views], axis=0) for one in networks])
    pca = fit(Moments.of(x[train]), COMPONENTS)
    widths = [one.features[views[0]].shape[1] for one in networks]
    u = Space.of(pca, widths).from_features(x)
    tried = []
    for setting in local.GRID["logistic"]:
        logits = by_scene(linear("logistic", setting), u[train], y, folds)
        tried.append((float((logits.argmax(axis=1) == y).mean()), setting, logits))
    best, setting, logits = max(tried, key=lambda one: one[0])
    temperature = fit_temperature(logits, y)
    kinds = tuple(species_of(name) for name in photos.classes)
    summed, _, number = by_species(softmax(logits, temperature), kinds)
    species = float((summed.argmax(axis=1) == number[y]).mean())
    names = ", ".join(one.name for one in networks)
    return Row(names, views, u, setting, best, species, temperature)


def held_out(chosen: Row, photos: Photos) -> str:
    train = ~photos.held
    learn = linear("logistic", chosen.setting)
    logits = learn(chosen.inputs[train], photos.y[train], chosen.inputs[photos.held])
    p, y = softmax(logits, chosen.temperature), photos.y[photos.held]
    kinds = tuple(species_of(name) for name in photos.classes)
    summed, names, number = by_species(p, kinds)
    fine, species = score(p, y, photos.classes), score(summed, number[y], names)
    assert fine is not None
    assert species is not None
    return (
        f"{chosen.names}, {'+'.join(chosen.views)}: variety {fine.top1:.3f}, "
        f"species {species.top1:.3f}, of {len(y)} photos"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("weights", nargs="+")
    asked = parser.parse_args()
    asked.cache.mkdir(exist_ok=True)
    photos = Photos.of(asked.photos)
    networks = [network(one, photos, asked.cache) for one in asked.weights]
    train = ~photos.held
    folds = scenes(networks[0].features["plain"][train], photos.y[train])
    assert set(folds) == set(range(SCENES))
    print("| networks | views | C | variety, by scene | species | CPU ms a photo | MB |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for n in range(1, len(networks) + 1):
        for some in itertools.combinations(networks, n):
            for views in SETS:
                one = row(some, views, photos, folds)
                ms = len(views) * sum(network.ms for network in some)
                size = sum(network.megabytes for network in some)
                print(f"| {one.names} | {'+'.join(views)} | {one.setting:g} | {one.variety:.3f} | "
                      f"{one.species:.3f} | {ms:.0f} | {size:.1f} |", flush=True)  # fmt: skip
                rows.append(one)
    print("\nheld out:")
    for one in (rows[1], max(rows, key=lambda row: row.variety)):
        print(f"* {held_out(one, photos)}")


if __name__ == "__main__":
    main()
