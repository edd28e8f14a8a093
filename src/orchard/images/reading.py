"""How images are read: the settings that change pixels, or which files count as images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchard.config import RunConfig
from orchard.images.decode import DEFAULT_MAX_PIXELS, policy

Colour = Literal["srgb", "ignore"]
Damaged = Literal["refuse", "keep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """As `orchard.images.decode.decode` has them."""

    scaled: bool = False
    colour: Colour = "srgb"
    damaged: Damaged = "refuse"
    max_pixels: int = DEFAULT_MAX_PIXELS

    @classmethod
    def of(cls, config: RunConfig) -> Reading:
        """What a run's settings say."""
        return cls(
            scaled=config.is_scaled,
            colour=config.colour,
            damaged=config.damaged,
            max_pixels=config.max_pixels,
        )

    @classmethod
    def under(cls, pixels: str) -> Reading:
        """What a policy says, as `policy` wrote it; what it does not name is the default."""
        for scaled in (False, True):
            for colour in ("srgb", "ignore"):
                found = cls(scaled=scaled, colour=colour)
                if found.policy == pixels:
                    return found
        return cls()

    @property
    def policy(self) -> str:
        """What the fingerprint says: the settings under which one file gives other pixels."""
        return policy(scaled=self.scaled, colour=self.colour)
