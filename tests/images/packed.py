"""Archives and tables of images, made by the standard library and by pyarrow."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
from PIL import Image

TIMES = 1_700_000_000


def jpeg(seed: int, side: int = 40) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def pictures(n: int = 4, folders: tuple[str, ...] = ("apple", "plum")) -> dict[str, bytes]:
    names = [f"{folder}/{number:02d}.jpg" for folder in folders for number in range(n)]
    return {name: jpeg(seed) for seed, name in enumerate(names)}


def tar(
    path: Path, files: dict[str, bytes] | list[tuple[str, bytes]], mode: str = "w", step: int = 1
) -> Path:
    """Each member a second after the one before it, or `step` seconds."""
    with tarfile.open(path, mode) as archive:
        items = files.items() if isinstance(files, dict) else files
        for number, (name, data) in enumerate(items):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), TIMES + step * number
            archive.addfile(info, io.BytesIO(data))
    return path


def zip_(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def table(files: dict[str, bytes], labels: list[object] | None = None) -> pa.Table:
    """As `datasets` writes it, but for the numbers of classes."""
    images = pa.array([{"bytes": data, "path": name} for name, data in files.items()])
    return pa.table({"image": images} | ({"label": labels} if labels is not None else {}))


def parquet(path: Path, rows: pa.Table, group: int = 3) -> Path:
    pq.write_table(rows, path, row_group_size=group)
    return path


def arrow(path: Path, rows: pa.Table, *, stream: bool) -> Path:
    with pa.OSFile(str(path), "wb") as file:
        new = pa.ipc.new_stream if stream else pa.ipc.new_file
        with new(file, rows.schema) as writer:
            writer.write_table(rows, max_chunksize=3)
    return path


EVERY_KIND = ("a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.zip", "a.parquet", "a.arrow",
              "stream.arrow")  # fmt: skip


def write(path: Path, files: dict[str, bytes]) -> Path:
    """A container of the kind that its name says."""
    if path.name.endswith(".parquet"):
        return parquet(path, table(files))
    if path.name.endswith(".arrow"):
        return arrow(path, table(files), stream=path.name.startswith("stream"))
    if path.name.endswith(".zip"):
        return zip_(path, files)
    packing = path.name.rpartition(".tar")[2].lstrip(".")
    return tar(path, files, f"w:{packing}" if packing else "w")
