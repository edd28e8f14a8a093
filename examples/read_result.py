"""Read a result of `orchard run` with pandas, Polars and DuckDB: the tables are plain Parquet.

python examples/read_result.py RESULT
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl


def main(result: str) -> None:
    components = pd.read_parquet(Path(result) / "components")
    X = np.stack(components["components"])
    print("pandas:", X.shape, "of", components["label"].nunique(), "labels")

    features = pl.scan_parquet(f"{result}/features/*.parquet")
    largest = features.sort("size", descending=True).select("path", "width", "height").head(1)
    print("Polars: the largest file is", largest.collect().row(0))

    query = """
        SELECT label, count(*) AS images, avg(components[1]) AS first_component
        FROM read_parquet(?) GROUP BY label ORDER BY first_component
    """
    rows = duckdb.execute(query, [f"{result}/components/*.parquet"]).fetchall()
    print("DuckDB: labels by their first component")
    for label, images, first in rows:
        print(f"  {label}: {images} images, {first:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
