"""What the findings have read and computed already, so that the report does not do it again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.report.neighbours import ClosePairs, Neighbours
from orchard.report.points import Images


@dataclass(frozen=True, slots=True)
class Vectors:
    """Of all images, in their order. components: (n, k) leading ones. directions: (n, d) of the
    features."""

    components: NDArray[np.float32]
    directions: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Known:
    """images: of the result. near_by: neighbours of all of them, and their close pairs. findings:
    the table that was made of them. vectors: of more images than t-SNE places; of fewer they are
    soon read again, and take memory meanwhile."""

    images: Images
    near_by: Neighbours
    close: ClosePairs
    findings: pa.Table
    vectors: Vectors | None = None
