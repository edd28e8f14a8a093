"""Parquet files that reveal when they are damaged.

    part-<run_id>-<task>-<footer><file>.parquet

Each page carries Parquet's own CRC-32, and the name ends in two more: of the footer and of the
whole file, 8 hexadecimal digits each. A reader of the whole file checks the last; a reader of some
columns checks the footer and the pages read. A CRC-32 detects every flipped bit and all damage of
up to 32 bits in a row. Files written before these checksums have 8 random digits there, and are
checked against the schema only; other readers need not know about any of this.
"""

from __future__ import annotations

import io
import re
import zlib

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_CHECKED = re.compile(r"-([0-9a-f]{8})([0-9a-f]{8})\.parquet$")
_TAIL = 64 * 1024  # holds most footers; in a bucket it is one request
_END = 8  # bytes behind the footer: its length, and "PAR1"


def to_bytes(rows: pa.Table, use_dictionary: list[str]) -> bytes:
    """A table as a file whose pages carry checksums."""
    buffer = io.BytesIO()
    pq.write_table(
        rows, buffer, compression="zstd", use_dictionary=use_dictionary, write_page_checksum=True
    )
    return buffer.getvalue()


def checksums(data: bytes) -> str:
    """What the name of a file with this content ends in."""
    return f"{_crc(_footer_of(data))}{_crc(data)}"


def is_checked(path: str) -> bool:
    """Whether a file's name holds its checksums."""
    return _CHECKED.search(path) is not None


def open_whole(data: memoryview, path: str) -> pq.ParquetFile:
    """A file read as a whole. Raises ValueError and Arrow's errors where it is damaged."""
    if (found := _CHECKED.search(path)) and found[2] != _crc(data):
        raise ValueError("its checksum differs")
    return pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)


def open_part(file: pa.NativeFile, path: str) -> pq.ParquetFile:
    """A file to read some columns of. Raises ValueError and Arrow's errors where it is damaged."""
    return pq.ParquetFile(
        file, metadata=read_footer(file, path), pre_buffer=False, page_checksum_verification=True
    )


def read_footer(file: pa.NativeFile, path: str) -> pq.FileMetaData:
    """A file's footer, checked. Raises as `open_part`."""
    footer = _footer(file)
    if (found := _CHECKED.search(path)) and found[1] != _crc(footer):
        raise ValueError("the checksum of its footer differs")
    return pq.read_metadata(pa.BufferReader(footer))


def check_rows(rows: pa.Table, schema: pa.Schema, path: str) -> pa.Table:
    """The rows where they are of the schema's types. Raises ValueError.

    Of a file without checksums texts must be UTF-8, and vectors of one length.
    """
    for name in rows.column_names:
        if rows.schema.field(name).type != schema.field(name).type:
            raise ValueError(f"its column {name} is {rows.schema.field(name).type}")
    if not is_checked(path):
        rows.validate(full=True)
        for column in rows.columns:
            if pa.types.is_list(column.type) and len(column):
                lengths = pc.min_max(pc.list_value_length(column))
                if column.null_count or lengths["min"] != lengths["max"]:
                    raise ValueError("its vectors are not of one length")
    return rows


def _footer(file: pa.NativeFile) -> bytes:
    size = file.size()
    tail = _read(file, size - min(size, _TAIL), size)
    needed = _footer_length(tail)
    if needed > size:
        raise ValueError("it is cut off")
    return tail[-needed:] if needed <= len(tail) else _read(file, size - needed, size)


def _footer_of(data: bytes) -> bytes:
    return data[-_footer_length(data) :]


def _footer_length(tail: bytes) -> int:
    """With what stands behind it."""
    if tail[-4:] != b"PAR1":
        raise ValueError("it does not end as a Parquet file does")
    return int.from_bytes(tail[-_END:-4], "little") + _END


def _read(file: pa.NativeFile, start: int, end: int) -> bytes:
    file.seek(start)
    return bytes(file.read(end - start))


def _crc(data: bytes | memoryview) -> str:
    return f"{zlib.crc32(data):08x}"
