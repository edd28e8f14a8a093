"""Rows as the bytes of a file: CSV, JSON lines or Parquet."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from orchard.result.cells import quoted


def as_bytes(rows: pa.Table, file_format: str, *, raw: bool = False) -> bytes:
    """file_format: csv, jsonl or parquet. raw: in CSV, texts as they are, also those that
    spreadsheets compute."""
    buffer = io.BytesIO()
    if file_format == "csv":
        pyarrow.csv.write_csv(rows if raw else quoted(rows), buffer)
    elif file_format == "parquet":
        pq.write_table(rows.replace_schema_metadata(None), buffer)
    else:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows.to_pylist())
        buffer.writelines(line.encode("utf-8", "backslashreplace") for line in lines)
    return buffer.getvalue()
