"""Features of all photos of a folder, from a network or from a result of `orchard run`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchard.images.decode import Pixels, decode
from orchard.model import Embedder, Precision, load_model

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
CHUNK = 512


@dataclass(frozen=True, slots=True)
class Features:
    """paths: "class/name", sorted. values: (n, dim) float32. network: name, sha256, size."""

    paths: tuple[str, ...]
    values: NDArray[np.float32]
    network: dict[str, Any]

    @property
    def labels(self) -> NDArray[np.str_]:
        return np.array([path.rsplit("/", 2)[-2] for path in self.paths])

    def where(self, keep: Any) -> NDArray[np.bool_]:
        """Of each photo, whether `keep` says yes to its path."""
        return np.array([keep(path) for path in self.paths])


def from_model(
    weights: str, folder: Path, cache: Path, threads: int, precision: Precision = "float32"
) -> Features:
    """Decoded, resized and embedded as `orchard run` does; kept in `cache` under the network."""
    model = load_model(weights, precision=precision)
    network = {"name": model.name, "sha256": model.weights_sha256, "size": model.size}
    identity = model.weights_sha256
    if precision != "float32":
        network["precision"] = precision
        identity += f" {precision} {hashlib.sha256(model.ranges.encode()).hexdigest()}"
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    paths = tuple(file.relative_to(folder).as_posix() for file in files)
    key = hashlib.sha256("\n".join([identity, str(model.size), *paths]).encode())
    kept = cache / f"features-{key.hexdigest()[:16]}.npy"
    if not kept.exists():
        embedder = Embedder(model, threads=threads)
        chunks = [files[i : i + CHUNK] for i in range(0, len(files), CHUNK)]
        values = np.concatenate([embedder(_pixels(chunk, model.size)) for chunk in chunks])
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, values)
    return Features(paths, np.load(kept), network)


def from_result(result: str) -> Features:
    """What `orchard run` wrote."""
    import orchard

    opened = orchard.open(result)
    table = opened.features().sort_by("path")
    paths = tuple("/".join(path.rsplit("/", 2)[-2:]) for path in table["path"].to_pylist())
    column = table["features"].combine_chunks()
    values = np.asarray(column.flatten(), np.float32).reshape(len(paths), -1)
    model = opened.record["model"]
    network = {"name": model["name"], "sha256": model["weights_sha256"], "size": model["size"]}
    return Features(paths, values, network)


def _pixels(files: list[Path], size: int) -> NDArray[np.uint8]:
    decoded = []
    for file in files:
        photo = decode(file.read_bytes(), size)
        if not isinstance(photo, Pixels):
            raise ValueError(f"{file}: {photo.reason}: {photo.detail}; remove it, or mend it")
        decoded.append(photo.array)
    return np.stack(decoded)
