"""What images can be filtered by on the page: values of a column in 255 steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

STEPS = 254  # of a filter, from the lowest value to the highest; 255 is "not known"
UNKNOWN = 255


@dataclass(frozen=True, slots=True)
class Filter:
    """low, high: as the levels 0 and STEPS stand for; of sizes, log2 of the bytes; of dates,
    seconds since 1970. levels: (n,) of the images on the map, uint8."""

    name: str
    low: float
    high: float
    levels: NDArray[np.uint8]


def filters_of(rows: pa.Table) -> list[Filter]:
    """Those of which the table holds more than one value. rows: of the images on the map."""
    columns = {
        "brightness": rows["brightness"].cast(pa.float64()),
        "size": pc.log2(pc.add(rows["size"].cast(pa.float64()), 1)),
        "modified": pc.divide(rows["modified"].cast(pa.int64()).cast(pa.float64()), 1e6),
    }
    made = []
    for name, column in columns.items():
        values = column.to_numpy()
        known = np.isfinite(values)
        if not known.any() or (high := values[known].max()) <= (low := values[known].min()):
            continue
        levels = np.full(len(values), UNKNOWN, np.uint8)
        levels[known] = np.round((values[known] - low) / (high - low) * STEPS)
        made.append(Filter(name, float(low), float(high), levels))
    return made
