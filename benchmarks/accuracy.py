"""Accuracy on photos: what components, views and heads are worth.

    orchard run GROCERY plain    --weights imagenet
    orchard run GROCERY zoom     --weights imagenet --view plain --view zoom
    orchard run FRUITS-360 turns --weights imagenet
    python benchmarks/accuracy.py plain=plain zoom=zoom --turntable turns

Phone photos: images whose name begins with `val-` are held out, all others train. Settings are
chosen on the training images alone, by holding out scenes: five clusters of look-alikes a class
(average linkage on cosines), since its photos are near copies of each other and a random fold would
always choose the weakest penalty. Both figures are shown; the scenes have ten times the images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from orchard.classify.calibration import fit_temperature, softmax
from orchard.classify.space import Space
from orchard.records import vectors_of
from orchard.reduction import Moments, fit
from orchard.store.output import Output
from orchard.store.tables import Tables
from orchard.training import local
from orchard.training.evaluate import by_species, score
from orchard.training.reading import species_of
from orchard.training.samples import LocalTrainer, Samples, held_out
from orchard.training.splits import honest_folds, objects_of, random_folds

COMPONENTS = (50, 200, 0.90, 0.95, None)
SCENES = 5
Learner = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def load(result: str) -> tuple[np.ndarray, Samples]:
    rows = Tables(Output.at(result)).read("features", ["path", "label", "features"])
    paths, labels = (np.array(rows[name].to_pylist()) for name in ("path", "label"))
    samples = Samples.of(paths, labels, species_of, objects_of(paths.tolist()))
    return vectors_of(rows["features"]), samples


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def scenes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from sklearn.cluster import AgglomerativeClustering

    folds = np.empty(len(y), np.intp)
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        clusters = AgglomerativeClustering(SCENES, metric="cosine", linkage="average")
        folds[rows] = clusters.fit_predict(unit(x[rows] - x.mean(axis=0)))
    return folds


def reduced(x: np.ndarray, train: np.ndarray, components: float | None, standardize: bool = True,
            own_metric: bool = True) -> np.ndarray:  # fmt: skip
    """A head's inputs for all images, from a PCA of the training images alone."""
    if components is None:
        return x - x[train].mean(axis=0)
    pca = fit(Moments.of(x[train]), components, standardize=standardize)
    return Space.of(pca).from_features(x) if own_metric else pca.transform(x).astype(np.float32)


def linear(kind: str, setting: float) -> Learner:
    def learn(x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
        return local.fit(kind, setting, x, y, int(y.max()) + 1, 0).logits(asked)

    return learn


def lda(shrinkage: float) -> Learner:
    def learn(x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
        means = np.stack([x[y == c].mean(axis=0) for c in range(y.max() + 1)])
        rest = (x - means[y]).astype(np.float64)
        within = rest.T @ rest / (len(y) - len(means))
        k = len(within)
        within = (1 - shrinkage) * within + shrinkage * np.trace(within) / k * np.eye(k)
        weights = np.linalg.solve(within, means.T)
        return asked @ weights - 0.5 * (means.T * weights).sum(axis=0)

    return learn


def nearest(k: int) -> Learner:
    def learn(x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
        near = np.exp(20 * (unit(asked) @ unit(x).T - 1))
        votes = [np.sort(near[:, y == c], axis=1)[:, -k:].sum(axis=1) for c in range(y.max() + 1)]
        return np.log(np.stack(votes, axis=1) + 1e-12)

    return learn


def kernel_ridge(penalty: float, gamma: float) -> Learner:
    def learn(x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
        wanted = np.where(y[:, None] == np.arange(y.max() + 1), 1.0, 0.0)
        known = np.exp(gamma * (unit(x) @ unit(x).T - 1)).astype(np.float64)
        weights = np.linalg.solve(known + penalty * np.eye(len(y)), wanted)
        return 20 * np.exp(gamma * (unit(asked) @ unit(x).T - 1)) @ weights

    return learn


def both(*learners: Learner) -> Learner:
    def learn(x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
        return np.sum([np.log(softmax(one(x, y, asked)) + 1e-9) for one in learners], axis=0)

    return learn


def by_scene(learn: Learner, x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> np.ndarray:
    logits = np.empty((len(y), y.max() + 1))
    for fold in range(SCENES):
        inside = folds == fold
        logits[inside] = learn(x[~inside], y[~inside], x[inside])
    return logits


class Photos:
    """Training and held-out photos of one result."""

    def __init__(self, result: str) -> None:
        self.x, self.samples = load(result)
        self.held = np.array([Path(p).name.startswith("val-") for p in self.samples.paths.tolist()])
        self.train = ~self.held
        self.y = self.samples.y
        self.folds = scenes(self.x[self.train], self.y[self.train])

    def accuracy(self, learn: Learner, u: np.ndarray) -> tuple[float, np.ndarray]:
        """Top-1 by scene on training photos; logits of the held-out ones, calibrated on those."""
        y = self.y[self.train]
        found = by_scene(learn, u[self.train], y, self.folds)
        top1 = float((found.argmax(axis=1) == y).mean())
        return top1, learn(u[self.train], y, u[self.held]) / fit_temperature(found, y)

    def tuned(self, kind: str, u: np.ndarray) -> tuple[float, float, np.ndarray]:
        """The setting that is best by scene; its top-1 by scene; logits of the held-out photos."""
        tried = [
            (setting, *self.accuracy(linear(kind, setting), u)) for setting in local.GRID[kind]
        ]
        return max(tried, key=lambda t: t[1])

    def shares(self, logits: np.ndarray) -> str:
        y, p = self.y[self.held], softmax(logits)
        fine = score(p, y, self.samples.classes)
        summed, names, number = by_species(p, self.samples.species)
        species = score(summed, number[y], names)
        assert fine is not None
        assert species is not None
        return " | ".join(f"{v:.3f}" for v in (fine.top1, fine.top5, species.top1, species.top5))


def components_table(photos: dict[str, Photos]) -> None:
    print("\n| views | components | k | C | by scene | variety | top-5 | species | top-5 |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, own in photos.items():
        for components in COMPONENTS:
            u = reduced(own.x, own.train, components)
            setting, by_scenes, logits = own.tuned("logistic", u)
            shown = "none" if components is None else components
            print(f"| {name} | {shown} | {u.shape[1]} | {setting:g} | {by_scenes:.3f} | "
                  f"{own.shares(logits)} |", flush=True)  # fmt: skip


def heads_table(photos: dict[str, Photos]) -> None:
    print("\n| views | inputs | head | by scene | variety top-1 | top-5 | species top-1 | top-5 |")
    print("|---|---|---|---|---|---|---|---|")
    for name, own in photos.items():
        inputs = {
            "0.95, standardised": reduced(own.x, own.train, 0.95, own_metric=False),
            "0.95, own metric": reduced(own.x, own.train, 0.95),
        }
        for label, u in inputs.items():
            for kind in local.GRID:
                setting, by_scenes, logits = own.tuned(kind, u)
                print(f"| {name} | {label} | {kind}, {setting:g} | {by_scenes:.3f} | "
                      f"{own.shares(logits)} |", flush=True)  # fmt: skip
        for title, learn in {
            "LDA, shrinkage 0.5": lda(0.5),
            "5 nearest a class, cosine": nearest(5),
            "kernel ridge, RBF on the sphere": kernel_ridge(0.03, 1.0),
            "logistic + 5 nearest": both(linear("logistic", 0.1), nearest(5)),
            "logistic + kernel ridge": both(linear("logistic", 0.1), kernel_ridge(0.03, 1.0)),
        }.items():
            by_scenes, logits = own.accuracy(learn, u)
            print(f"| {name} | {label} | {title} | {by_scenes:.3f} | {own.shares(logits)} |",
                  flush=True)  # fmt: skip


def compare(photos: dict[str, Photos]) -> None:
    """The first set of views with standardised inputs against each with its own metric."""
    names = list(photos)
    first = photos[names[0]]
    _, _, base = first.tuned("logistic", reduced(first.x, first.train, 0.95, own_metric=False))
    y = first.y[first.held]
    before = base.argmax(axis=1) == y
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(y), (10_000, len(y)))
    for name in names:
        own = photos[name]
        _, _, logits = own.tuned("logistic", reduced(own.x, own.train, 0.95))
        gain = (logits.argmax(axis=1) == y).astype(float) - before
        low, high = np.quantile(gain[drawn].mean(axis=1), (0.025, 0.975))
        print(f"\n{name}, own metric, against {names[0]}, standardised: {100 * gain.mean():+.1f} "
              f"points of top-1 on {len(y)} held-out photos (95 %: {100 * low:+.1f} to "
              f"{100 * high:+.1f}, paired bootstrap)")  # fmt: skip


def turntable(result: str) -> None:
    print("\n| split | components | images | classes | top-1 | top-5 | macro F1 |")
    print("|---|---|---|---|---|---|---|")
    x, samples = load(result)
    for components in (50, 0.95):
        trainer = LocalTrainer(reduced(x, np.ones(len(x), bool), components))
        for name, folds in (
            ("honest: series of turns", honest_folds(samples.y, samples.objects, 3, 0)),
            ("naive: at random", random_folds(samples.y, 3, 0)),
        ):
            found = held_out(trainer, samples, folds, "logistic", 0.1, 0)
            s = score(softmax(found.logits), samples.y[found.rows], samples.classes)
            assert s is not None
            print(f"| {name} | {components} | {s.n:,} | {s.n_classes} | {s.top1:.3f} | "
                  f"{s.top5:.3f} | {s.macro_f1:.3f} |", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("results", nargs="*", metavar="NAME=RESULT")
    parser.add_argument("--turntable", metavar="RESULT")
    parser.add_argument("--no-heads", action="store_true", help="leave the table of heads out")
    arguments = parser.parse_args()
    photos = {name: Photos(path) for name, path in (r.split("=", 1) for r in arguments.results)}
    if photos:
        components_table(photos)
        compare(photos)
        if not arguments.no_heads:
            heads_table(photos)
    if arguments.turntable:
        turntable(arguments.turntable)


if __name__ == "__main__":
    main()
