"""The kinds of findings, in the order of their table."""

from __future__ import annotations

KINDS = (
    "exact_duplicate", "near_duplicate", "wrong_label", "overlap", "unusual", "blurred", "dark",
    "bright", "tiny", "uniform",
)  # fmt: skip
