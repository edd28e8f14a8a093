"""What a reader raises where it knows the reason; `orchard.images.decode` makes a value of it."""

from __future__ import annotations

from orchard.records import Reason


class RejectedError(Exception):
    """An image that is not read, and why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
