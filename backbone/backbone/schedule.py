"""How far a training is, and what follows from it: learning rate and picture size.

Progress runs from 0 to exactly 1, by steps or by hours of work. By steps a seed gives the same
network again; by hours the machine's speed decides how many steps there are.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

WARMUP = 0.03


@dataclass(slots=True)
class Clock:
    """steps, hours: the budget, one of them. seconds: of work, as of the step under way.

    elapsed: seconds of work before this process.
    """

    steps: int | None
    hours: float | None
    step: int = 0
    elapsed: float = 0.0
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def read(self) -> float:
        """Seconds of work up to now."""
        return self.elapsed + time.monotonic() - self.began

    @property
    def progress(self) -> float:
        return self.progress_at(self.step)

    def progress_at(self, step: int) -> float:
        """The progress that `step` stands at; by hours, that of now."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        assert self.hours is not None
        return min(1.0, self.seconds / (self.hours * 3600))


def rate(progress: float, peak: float) -> float:
    """Linear up to `peak` over WARMUP of the training, then half a cosine down to 0."""
    if progress < WARMUP:
        return peak * (progress + 1e-3) / WARMUP
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP)))


def side_at(progress: float, sides: tuple[int, ...]) -> int:
    """Small pictures first: the last of `sides` has half of the training, the others the rest.

    Tan and Le 2021, "EfficientNetV2", section 4: progressive learning. A picture of 64 pixels costs
    0.44 of one of 96.
    """
    early = len(sides) - 1
    if early == 0 or progress >= 0.5:
        return sides[-1]
    return sides[int(progress / 0.5 * early)]
