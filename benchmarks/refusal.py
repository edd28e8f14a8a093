"""What is refused: fruit of scenes never seen, against pictures without fruit.

    pip install scikit-image                      # whose sample photos are part of the pictures
    python benchmarks/nonfruit.py OTHER
    orchard run GROCERY zoom  --weights imagenet --view plain --view zoom
    orchard run OTHER   other --weights imagenet --view plain --view zoom
    python benchmarks/refusal.py zoom other

The photos and their scenes are those of `accuracy.py`: training photos alone, each of five clusters
of look-alikes held out in turn from the PCA, the head and everything else. Species are left out in
thirds. Signs: likeness and the best species' probability (see `orchard.classify.verdict`), the
cosine to the nearest of the training photos' features, to the nearest of their landmarks (see
`orchard.classify.landmarks`) and to the nearest mean of a class.

For each rule: what it refuses of fruit where it refuses all other pictures, and all but one in a
thousand; and what it refuses of the others and of species left out where it refuses 0.5 % of fruit.
`today` is the rule before: the first percentile of likeness over random quarters. Last, what is
refused by limits that training chooses for itself, without the fold that is asked.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from accuracy import Photos, load, unit
from threadpoolctl import threadpool_limits

from orchard.classify.calibration import fit_temperature, softmax
from orchard.classify.heads import Head
from orchard.classify.landmarks import familiarity
from orchard.classify.space import Space
from orchard.classify.verdict import CONFIDENCE
from orchard.reduction import Moments, fit
from orchard.training import local
from orchard.training.evaluate import by_species
from orchard.training.familiarity import Fruit, choose, landmarks_of
from orchard.training.splits import unseen_folds

C = 0.1  # the best by scene: docs/accuracy.md
SHARE = 0.95
REFUSED = 0.005
Signs = dict[str, np.ndarray]


@dataclass
class Held:
    """Signs of images that a fold held out, and of the pictures without fruit, fold after fold."""

    fruit: Signs
    other: Signs


def signs(
    x: np.ndarray, y: np.ndarray, n_classes: int, asked: list[np.ndarray], c: float
) -> list[Signs]:
    """What was fitted on x says of each of several arrays of features."""
    space = Space.of(fit(Moments.of(x), SHARE, standardize=True))
    head = local.fit("logistic", c, space.from_features(x), y, n_classes, 0)
    means = np.stack([x[y == label].mean(axis=0) for label in np.unique(y)])
    near = {"nearest": unit(x), "means": unit(means)}
    landmarks = landmarks_of(x)
    return [
        {
            "likeness": space.likeness(one),
            "landmarks": landmarks.nearness(one),
            "logits": head.logits(space.from_features(one)),
            **{name: (unit(one) @ known.T).max(axis=1) for name, known in near.items()},
        }
        for one in asked
    ]


def held_out(
    x: np.ndarray, y: np.ndarray, folds: np.ndarray, other: np.ndarray, n_classes: int, c: float
) -> Held:
    order, fruit, others = [], [], []
    for fold in np.unique(folds):
        inside = folds == fold
        order.append(np.flatnonzero(inside))
        mine, its = signs(x[~inside], y[~inside], n_classes, [x[inside], other], c)
        fruit.append(mine)
        others.append(its)
    back = np.argsort(np.concatenate(order))
    return Held(
        {name: np.concatenate([one[name] for one in fruit])[back] for name in fruit[0]},
        {name: np.concatenate([one[name] for one in others]) for name in others[0]},
    )


def today(x: np.ndarray, seed: int = 0) -> float:
    """The first percentile of likeness over random quarters."""
    parts = np.random.default_rng(seed).permutation(len(x)) % 4
    found = [
        Space.of(fit(Moments.of(x[parts != part]), SHARE, standardize=True)).likeness(
            x[parts == part]
        )
        for part in range(4)
    ]
    return float(np.quantile(np.concatenate(found), 0.01))


def as_trained(
    x: np.ndarray,
    y: np.ndarray,
    folds: np.ndarray,
    other: np.ndarray,
    species: np.ndarray,
    c: float,
) -> tuple[float, float]:
    """Shares of fruit and of other pictures refused by limits that training chooses for itself."""
    n_classes = len(species)
    refused, others = 0, []
    for fold in np.unique(folds):
        inside = folds == fold
        known = Fruit(x[~inside], y[~inside], species)
        space = Space.of(fit(Moments.of(known.features), SHARE, standardize=True))
        landmarks = landmarks_of(known.features)

        def learn(inputs: np.ndarray, numbers: np.ndarray) -> Head:
            return local.fit("logistic", c, inputs, numbers, n_classes, 0)

        head = learn(space.from_features(known.features), known.y)
        limits = choose(
            known, other[:1], space, landmarks, head, learn,
            temperature=1.0, standardize=True, seed=0,
        )  # fmt: skip
        for asked in (x[inside], other):
            p = softmax(head.logits(space.from_features(asked)))
            best = np.stack([p[:, species == s].sum(axis=1) for s in np.unique(species)]).max(
                axis=0
            )
            told = familiarity(asked, space, landmarks) + CONFIDENCE * best < limits.fruit
            if asked is other:
                others.append(told.mean())
            else:
                refused += int(told.sum())
    return refused / len(y), float(np.mean(others))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos")
    parser.add_argument("others")
    parser.add_argument("--c", type=float, default=C, help="of the logistic regression")
    arguments = parser.parse_args()
    photos = Photos(arguments.photos)
    other, others = load(arguments.others)
    kinds = np.array([path.split("/")[-2] for path in others.paths.tolist()])
    x, y = photos.x[photos.train], photos.y[photos.train]
    species, n_classes = photos.samples.species, len(photos.samples.classes)
    number = np.unique(np.array(species), return_inverse=True)[1]
    with threadpool_limits(1, "blas"):
        scenes = held_out(x, y, photos.folds, other, n_classes, arguments.c)
        unseen = held_out(x, y, unseen_folds(number[y], 3, 0), other, n_classes, arguments.c)
        limit = today(x)
    temperature = fit_temperature(scenes.fruit["logits"], y)
    groups = (scenes.fruit, scenes.other, unseen.fruit)
    for found in groups:
        found["p"] = by_species(softmax(found["logits"], temperature), species)[0].max(axis=1)

    refused = [float((found["likeness"] < limit).mean()) for found in groups]
    print(f"{len(y)} photos, {len(other)} other pictures; limit today {limit:.3f}")
    print("today refuses {:.1%} of fruit, {:.1%} of others, {:.1%} of unseen".format(*refused))
    rules = {
        "likeness": {"likeness": 1.0}, "p": {"p": 1.0},
        **{f"likeness + {w:g} p": {"likeness": 1.0, "p": w} for w in (0.05, CONFIDENCE, 0.2, 0.5)},
        **{name: {name: 1.0} for name in ("nearest", "landmarks", "means")},
        **{
            f"likeness + {name}{f' + {w:g} p' if w else ''}": {"likeness": 1.0, name: 1.0, "p": w}
            for name in ("nearest", "landmarks", "means")
            for w in (0.0, CONFIDENCE)
        },
    }  # fmt: skip
    passing = {}
    print("| rule | fruit, at all others | at 99.9 % | others, at 0.5 % of fruit | unseen |")
    print("|---|---|---|---|---|")
    for name, weights in rules.items():
        fruit, others_, unseen_ = (sum(w * g[s] for s, w in weights.items()) for g in groups)
        bound = np.quantile(fruit, REFUSED)
        shares = (
            (fruit <= others_.max()).mean(), (fruit < np.quantile(others_, 0.999)).mean(),
            (others_ < bound).mean(), (unseen_ < bound).mean(),
        )  # fmt: skip
        print(f"| {name} | " + " | ".join(f"{100 * share:.2f} %" for share in shares) + " |")
        passed = np.tile(kinds, len(others_) // len(kinds))[others_ >= bound]
        passing[name] = dict(zip(*np.unique(passed, return_counts=True), strict=True))
    print("what passes where 0.5 % of fruit is refused, of all folds:")
    for name, counts in passing.items():
        print(f"  {name}: {counts}")

    fruit, rest = as_trained(x, y, photos.folds, other, number, arguments.c)
    print(f"with limits as training chooses them: {fruit:.2%} of fruit, {rest:.2%} of others")


if __name__ == "__main__":
    main()
