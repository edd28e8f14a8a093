"""What the findings have read and computed already, so that the report does not do it again."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from orchard.report.neighbours import ClosePairs, Neighbours
from orchard.report.points import Images


@dataclass(frozen=True, slots=True)
class Known:
    """images: of the result. near_by: neighbours of all of them, and their close pairs. findings:
    the table that was made of them."""

    images: Images
    near_by: Neighbours
    close: ClosePairs
    findings: pa.Table
