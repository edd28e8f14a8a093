"""Spoil the labels of a result in memory: what the findings say, and what a training makes of it.

    python benchmarks/wrong_labels.py RESULT [--train]

RESULT: of photos whose labels are right. Labels are changed at random, or to the class with the
nearest centre, which people mistake for it. With --train a third of each class is put aside, and a
logistic regression, trained on the rest, is asked about it: with the spoiled labels, without the
suspects, with the suggested labels, and with those suspects corrected that are wrong, as by a
person who looks at them. Of two strengths of regularisation the better is shown, of each.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

import orchard
from orchard.findings import labels
from orchard.records import vectors_of
from orchard.report.neighbours import DIMENSIONS, nearest

STRENGTHS = (0.02, 0.1)


def spoiled(
    codes: NDArray[np.int64], vectors: NDArray[np.float32], share: float, to_nearest: bool
) -> NDArray[np.int64]:
    """Other labels for a share of the images."""
    rng = np.random.default_rng(1)
    n_classes = int(codes.max()) + 1
    changed = rng.choice(len(codes), int(share * len(codes)), replace=False)
    found = codes.copy()
    if not to_nearest:
        found[changed] = (found[changed] + rng.integers(1, n_classes, len(changed))) % n_classes
        return found
    centres = np.stack([vectors[codes == code].mean(axis=0) for code in range(n_classes)])
    apart = np.square(centres[:, None] - centres).sum(axis=-1)
    np.fill_diagonal(apart, np.inf)
    found[changed] = apart.argmin(axis=1)[found[changed]]
    return found


def judged(vectors: NDArray[np.float32], codes: NDArray[np.int64]) -> labels.Judged:
    every = np.arange(len(codes))
    near_by = nearest(np.ascontiguousarray(vectors[:, :DIMENSIONS]), labels.VOTERS)
    leading = np.ascontiguousarray(vectors[:, : labels.DIMENSIONS])
    return labels.judge(leading, codes, labels.folds(codes, every), near_by, every)


def put_aside(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) a third of each class."""
    rng, aside = np.random.default_rng(0), np.zeros(len(codes), np.bool_)
    for code in np.unique(codes):
        rows = rng.permutation(np.flatnonzero(codes == code))
        aside[rows[: len(rows) // 3]] = True
    return aside


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("result")
    parser.add_argument("--train", action="store_true")
    given = parser.parse_args()
    rows = orchard.open(given.result).components()
    vectors = vectors_of(rows["components"])
    codes = np.unique(rows["label"].to_pylist(), return_inverse=True)[1].astype(np.int64)
    aside = put_aside(codes) if given.train else np.zeros(len(codes), np.bool_)
    asked, answers = vectors[aside] / vectors.std(), codes[aside]
    vectors, codes = vectors[~aside], codes[~aside]

    def accuracy(given_codes: NDArray[np.int64], kept: NDArray[np.bool_]) -> float:
        inputs = vectors[kept] / vectors.std()
        heads = (LogisticRegression(C=strength, max_iter=300) for strength in STRENGTHS)
        return max(
            float(head.fit(inputs, given_codes[kept]).score(asked, answers)) for head in heads
        )

    every = np.ones(len(codes), np.bool_)
    print(f"unspoiled: {judged(vectors, codes).is_suspect.sum()} of {len(codes)} suspected")
    if given.train:
        print(f"  accuracy {accuracy(codes, every):.3f}")
    for to_nearest in (False, True):
        for share in (0.1,) if given.train else (0.03, 0.1):
            found = spoiled(codes, vectors, share, to_nearest)
            said = judged(vectors, found)
            suspects, wrong = said.is_suspect, found != codes
            hits = suspects & wrong
            print(
                f"{'nearest' if to_nearest else 'random'} {share:.0%}: "
                f"precision {hits.sum() / suspects.sum():.2f}, "
                f"recall {hits.sum() / wrong.sum():.2f}, "
                f"suggested right {(said.likeliest[hits] == codes[hits]).mean():.2f}"
            )
            if given.train:
                suggested = np.where(suspects, said.likeliest, found)
                corrected = np.where(suspects, codes, found)
                print(
                    f"  accuracy: spoiled {accuracy(found, every):.3f}, "
                    f"without suspects {accuracy(found, ~suspects):.3f}, "
                    f"suggested {accuracy(suggested, every):.3f}, "
                    f"corrected {accuracy(corrected, every):.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
