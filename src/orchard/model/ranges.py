"""The ranges of a network's activations, which an int8 graph is made from.

They are data: those of the networks known by name lie in the package (`<name>.ranges.json`, taken
by `benchmarks/ranges.py`), those of others are taken from a result's images and kept in its card.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchard.errors import ConfigError, WeightsError

KNOWN = ("imagenet", "fruit")
SCHEME = 1  # of `quantised.quantise`; another scheme makes another graph of the same ranges


@dataclass(frozen=True, slots=True)
class Ranges:
    """tensors: name of an activation → (low, high), low ≤ 0 ≤ high. means: name of a convolution's
    input → the mean of each of its channels, in thousandths of high − low. taken: from what, in
    words."""

    tensors: Mapping[str, tuple[float, float]]
    means: Mapping[str, tuple[int, ...]]
    taken: str

    def mean(self, name: str) -> NDArray[np.float64]:
        """(channels,) means of a convolution's input."""
        low, high = self.tensors[name]
        return np.array(self.means[name], np.float64) * ((high - low) / 1000)

    @classmethod
    def parse(cls, text: str) -> Ranges:
        """What `text` writes. Raises WeightsError where it is something else."""
        try:
            return cls.of(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise WeightsError(f"not the ranges of a network: {error}") from None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Ranges:
        tensors = {
            name: (float(low), float(high)) for name, (low, high) in fields["tensors"].items()
        }
        means = {name: tuple(map(int, values)) for name, values in fields["means"].items()}
        return cls(tensors, means, str(fields["taken"]))

    def fields(self) -> dict[str, Any]:
        return {"taken": self.taken, "tensors": dict(self.tensors), "means": dict(self.means)}

    def text(self) -> str:
        """As JSON, the same for the same ranges."""
        return json.dumps(self.fields(), sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """16 hexadecimal digits over everything that the graph is made from."""
        numbers = {"scheme": SCHEME, "tensors": dict(self.tensors), "means": dict(self.means)}
        text = json.dumps(numbers, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def known_ranges(name: str) -> Ranges:
    """Of a network by name. Raises ConfigError where there are none in the package."""
    if name not in KNOWN:
        raise ConfigError(
            f"--precision int8: the ranges of {name!r} are not known, only those of "
            f"{' and '.join(KNOWN)}; `orchard run` takes them from its images, elsewhere use "
            "float32"
        )
    file = resources.files("orchard.model") / f"{name}.ranges.json"
    return Ranges.parse(file.read_text(encoding="utf-8"))
