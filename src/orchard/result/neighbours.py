"""The images of a result that are most like a given one."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.embedding.fingerprint import EmbeddingIdentity, network_of
from orchard.errors import ConfigError, SourceError, TableError
from orchard.images.apart import Decoder
from orchard.images.source import read
from orchard.model import Embedder
from orchard.records import Failure, vectors_of
from orchard.storage import is_remote
from orchard.store import models
from orchard.store.models import PCACard
from orchard.store.output import Output
from orchard.store.tables import Tables


def nearest(
    output: Output, record: dict[str, Any], image: str | PathLike[str] | bytes, k: int
) -> pa.Table:
    """See `Result.nearest`."""
    if k < 1:
        raise ConfigError(f"k={k}: expected a whole number of at least 1")
    tables = Tables(output)
    card = models.current_pca(tables)
    if card is None:
        raise TableError(f"{output.root} holds no components; expected the OUTPUT of a run")
    rows = tables.read("components", ["path", "label", "components"])
    vectors = vectors_of(rows["components"])
    place = None if isinstance(image, bytes) else _place(rows, image)
    if place is not None:
        wanted: NDArray[np.floating] = vectors[place]
    else:
        wanted = _components(output, record, card, image)
    similarity = _cosine(vectors, wanted)
    if place is not None:
        similarity[place] = -np.inf
    best = np.argsort(-similarity, kind="stable")[: min(k, len(rows) - (place is not None))]
    found = rows.select(["path", "label"]).take(pa.array(best))
    return found.append_column("similarity", pa.array(similarity[best], pa.float64()))


def _place(rows: pa.Table, image: str | PathLike[str]) -> int | None:
    """The row of a path as the table has it, or of the same file by another name."""
    name, absolute = fspath(image), _absolute(image)
    paths = rows["path"].combine_chunks()
    for path in (name, absolute):
        if (place := paths.index(path).as_py()) >= 0:
            return int(place)
    return None


def _components(
    output: Output, record: dict[str, Any], card: PCACard, image: str | PathLike[str] | bytes
) -> NDArray[np.float64]:
    """(k,) components of an image that the table does not hold."""
    content = image if isinstance(image, bytes) else read(_absolute(image), output.storage)
    if isinstance(content, Failure):
        raise _unreadable(image, content)
    stored = models.load_embedding(output, card.fingerprint)
    if "config" not in record:
        raise TableError(f"{output.root} has no record of its run, which says what network it used")
    model, reading = network_of(stored, record["config"]["weights"])
    EmbeddingIdentity.of(model, reading).check(stored, output.root)
    with Decoder() as decoder:
        (pixels,) = decoder.decode(
            [content], model.size, scaled=reading.scaled, views=model.views, colour=reading.colour
        )
    if isinstance(pixels, Failure):
        raise _unreadable(image, pixels)
    pca, _ = models.load_pca(output, card.pca_id)
    return pca.transform(Embedder(model).mean(pixels.views[None]))[0]


def _unreadable(image: str | PathLike[str] | bytes, failure: Failure) -> SourceError:
    name = "the bytes given" if isinstance(image, bytes) else fspath(image)
    return SourceError(f"{name}: {failure.reason.value}: {failure.detail}")


def _absolute(image: str | PathLike[str]) -> str:
    name = fspath(image)
    return name if is_remote(name) else str(Path(name).expanduser().absolute())


def _cosine(vectors: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n,) cosines; 0 where a vector is 0, which has no direction."""
    rows, one = vectors.astype(np.float64), wanted.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(one)
    return np.divide(rows @ one, norms, out=np.zeros(len(rows)), where=norms > 0)
