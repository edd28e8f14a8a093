"""Heads: from components to logits, as plain arrays, whoever trained them.

Symbols: n images, k components, c classes. A head's arrays go to safetensors and come back equal;
no pickle, no library of the training is needed to answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from orchard.errors import ClassifierError

Arrays = dict[str, NDArray[np.generic]]

_ABSENT = -1e9  # logit of a class that was not trained on
_LEAF = -1
_LEAST = 1e-3  # share of a forest's votes that a class is credited with at least, over all classes


class Head(Protocol):
    """What a classifier is after training."""

    @property
    def n_components(self) -> int: ...

    @property
    def n_classes(self) -> int: ...

    def logits(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, k) components → (n, c) logits: before temperature and softmax."""
        ...

    def arrays(self) -> Arrays: ...


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Logistic regression, or one linear SVM a class. weights: (c, k) float32; bias: (c,)."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def among(
        cls, n_classes: int, present: NDArray[np.intp], weights: NDArray[np.floating],
        bias: NDArray[np.floating],
    ) -> LinearHead:  # fmt: skip
        """Of c classes, of which those present were trained on; the others are never the answer."""
        all_weights = np.zeros((n_classes, weights.shape[1]), np.float32)
        all_bias = np.full(n_classes, _ABSENT, np.float32)
        all_weights[present], all_bias[present] = weights, bias
        return cls(all_weights, all_bias)

    @property
    def n_components(self) -> int:
        return self.weights.shape[1]

    @property
    def n_classes(self) -> int:
        return self.weights.shape[0]

    def logits(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.asarray(x, np.float64) @ self.weights.T.astype(np.float64) + self.bias

    def arrays(self) -> Arrays:
        return {"head.weights": self.weights, "head.bias": self.bias}


@dataclass(frozen=True, slots=True)
class ForestHead:
    """A random forest; node i of m, all trees in one numbering.

    roots: (trees,) int32. feature: (m,) int32, LEAF in leaves. threshold: (m,) float32: x ≤
    threshold goes left. left, right: (m,) int32. leaf: (m,) int32, the row of `shares` of a leaf.
    shares: (leaves, c) float16, the classes' weighted shares in a leaf.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    leaf: NDArray[np.int32]
    shares: NDArray[np.float16]
    width: int

    @property
    def n_components(self) -> int:
        return self.width

    @property
    def n_classes(self) -> int:
        return self.shares.shape[1]

    def logits(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """The logarithm of the trees' mean share, no class's share quite 0."""
        values = np.asarray(x, np.float32)
        rows = np.arange(len(values))[:, None]
        node = np.repeat(self.roots[None, :], len(values), axis=0)
        inner = self.feature[node] != _LEAF
        while inner.any():
            goes_left = values[rows, np.maximum(self.feature[node], 0)] <= self.threshold[node]
            node = np.where(inner, np.where(goes_left, self.left[node], self.right[node]), node)
            inner = self.feature[node] != _LEAF
        mean = np.zeros((len(values), self.n_classes))
        for tree in range(node.shape[1]):
            mean += self.shares[self.leaf[node[:, tree]]]
        mean /= mean.sum(axis=1, keepdims=True)
        return np.log((1 - _LEAST) * mean + _LEAST / self.n_classes)

    def arrays(self) -> Arrays:
        names = ("roots", "feature", "threshold", "left", "right", "leaf", "shares")
        width = np.array([self.width], np.int32)
        return {f"head.{name}": getattr(self, name) for name in names} | {"head.width": width}


def head_from(arrays: Mapping[str, NDArray[np.generic]]) -> Head:
    """The head whose `arrays()` these are. Raises ClassifierError where they are of none."""
    own = {name.removeprefix("head."): a for name, a in arrays.items() if name.startswith("head.")}
    try:
        if "weights" in own:
            return LinearHead(**own)  # type: ignore[arg-type]
        width = int(own.pop("width")[0])
        return ForestHead(**own, width=width)  # type: ignore[arg-type]
    except (KeyError, TypeError) as error:
        raise ClassifierError(f"the classifier's arrays are not those of a head: {error}") from None
