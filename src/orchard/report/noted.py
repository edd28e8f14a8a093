"""Findings about single images, as the page's workbench takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchard.report.points import Images

EXACT, NEAR, WRONG = "exact_duplicate", "near_duplicate", "wrong_label"
LARGE = 24  # images of a kind that the page holds at the size they are stored in


@dataclass(frozen=True, slots=True)
class Notes:
    """rows: of the table of findings, those of images. at: (n,) the row in `Images` of each. kinds:
    in the order of the table."""

    rows: pa.Table
    at: NDArray[np.int64]
    kinds: tuple[str, ...]

    def of_kind(self, kind: str) -> Notes:
        """Those of a kind, the worst first, duplicates group by group."""
        chosen = pc.equal(self.rows["kind"], kind).combine_chunks()
        mask = chosen.to_numpy(zero_copy_only=False)
        return Notes(self.rows.filter(chosen), self.at[mask], (kind,))


def of_table(rows: pa.Table, images: Images) -> Notes:
    """rows: of the table of findings. Those of classes, which have no path, are left out, and those
    of images that are not there."""
    at = pc.index_in(rows["path"].combine_chunks(), value_set=images.rows["path"].combine_chunks())
    there = at.is_valid()
    rows = rows.filter(there).drop_columns("path")
    kinds = pc.unique(rows["kind"]).to_pylist()
    return Notes(rows, at.filter(there).to_numpy().astype(np.int64), tuple(kinds))


def shown_large(notes: Notes) -> list[int]:
    """Rows of the images that the galleries begin with: LARGE of each kind that has one."""
    return [row for kind in (EXACT, NEAR, WRONG) for row in notes.of_kind(kind).at[:LARGE].tolist()]
