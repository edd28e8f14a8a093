"""Places that many want: no client has more than its share, and the last are for the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

FEW = 6  # what a browser holds of one site
_KEPT = 10  # one place in so many is for clients that hold few


@dataclass
class Shares:
    """most: places. each: of one client."""

    most: int
    each: int
    n: int = field(default=0, init=False)
    _of: Counter[str] = field(default_factory=Counter, init=False)

    def take(self, client: str | None) -> bool:
        """Whether there is a place, which then is taken. client: None for one without a share."""
        if self.n >= self.most:
            return False
        if client is not None:
            held = self._of[client]
            if held >= self.each or (held >= FEW and self.n >= self.most - self.most // _KEPT):
                return False
            self._of[client] += 1
        self.n += 1
        return True

    def leave(self, client: str | None) -> None:
        self.n -= 1
        if client is not None:
            self._of[client] -= 1
            if self._of[client] <= 0:
                del self._of[client]
