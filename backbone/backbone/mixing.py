"""CutMix: a box of each picture comes from another one, and with it that share of its labels.

Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
Features". Shop photos are few and seen hundreds of times; colours, which tell varieties apart, stay
what they are, as they would not in mixup.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Mix:
    """partner: (n,) whose labels a picture has too. share: (n,) of its own labels, in [0, 1]."""

    partner: Tensor
    share: Tensor


def unmixed(n: int, device: torch.device) -> Mix:
    return Mix(torch.arange(n, device=device), torch.ones(n, device=device))


def cut_mix(pixels: Tensor, first: int, rng: random.Random) -> Mix:
    """Change `pixels` (n, side, side, 3) in place, from row `first` on; earlier ones are left."""
    n, side = pixels.shape[:2]
    mix = unmixed(n, pixels.device)
    if n - first < 2:
        return mix
    mix.partner[first:] = torch.roll(mix.partner[first:], rng.randrange(1, n - first))
    edge = round(side * math.sqrt(rng.uniform(0.05, 0.6)))
    x, y = rng.randint(0, side - edge), rng.randint(0, side - edge)
    box = (slice(first, None), slice(y, y + edge), slice(x, x + edge))
    pixels[box] = pixels[mix.partner[first:]][:, y : y + edge, x : x + edge]
    mix.share[first:] = 1 - (edge / side) ** 2
    return mix


def cross_entropy(answer: Tensor, labels: Tensor, mix: Mix, smoothing: float) -> Tensor | None:
    """Over both labels of each picture by their shares; None where no picture has one."""
    total, weight = answer.new_zeros(()), answer.new_zeros(())
    for which, share in ((labels, mix.share), (labels[mix.partner], 1 - mix.share)):
        known = (which >= 0) & (share > 0)
        each = F.cross_entropy(
            answer[known], which[known], reduction="none", label_smoothing=smoothing
        )
        total = total + (each * share[known]).sum()
        weight = weight + share[known].sum()
    return total / weight if weight > 0 else None
