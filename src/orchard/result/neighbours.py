"""The images of a result that are most like a given one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchard.embedding.fingerprint import EmbeddingIdentity, network_of
from orchard.errors import ConfigError, SourceError, TableError
from orchard.images.apart import decoder_of_thread
from orchard.images.reading import Reading
from orchard.images.source import read
from orchard.model import Embedder
from orchard.records import COMPONENTS, Failure, list_column, vectors_of
from orchard.reduction import PCA
from orchard.storage import is_remote
from orchard.store import contents, models
from orchard.store.models import PCACard
from orchard.store.output import Output
from orchard.store.tables import Tables

_KEYS = ["path", "label"]
_MARGIN = 1e-4  # of a cosine: more than float32 loses in the sum of a thousand products


class Searcher:
    """The components of a result in memory, for any number of searches; threads may share it.

    rows: path and label of each image. Memory: the components' bytes, so 40 MB for 100,000 images
    of 100 components. There is no index: a pass over a million images takes less than loading them.
    """

    def __init__(self, output: Output, record: dict[str, Any], card: PCACard, rows: pa.Table):
        self._output, self._record, self._card = output, record, card
        self.rows = rows.select(_KEYS)
        self._vectors = vectors_of(rows["components"])
        # Not by np.linalg.norm, which holds all squares at once.
        self._norms = np.sqrt(np.einsum("ij,ij->i", self._vectors, self._vectors))

    @classmethod
    def load(cls, output: Output, record: dict[str, Any]) -> Searcher:
        """record: of the run that made the result. Raises TableError where it has no components."""
        tables = Tables(output)
        card = models.current_pca(tables)
        if card is None:
            raise TableError(f"{output.root} holds no components; expected the OUTPUT of a run")
        return cls(output, record, card, _loaded(tables))

    def nearest(self, image: str | PathLike[str] | bytes, k: int) -> pa.Table:
        """See `Result.nearest`."""
        _check(k)
        place = None if isinstance(image, bytes) else self._place(image)
        if place is not None:
            return self._search(self._vectors[place], k, place)
        found = image if isinstance(image, bytes) else read(_absolute(image), self._output.storage)
        components = found if isinstance(found, Failure) else self._network.components(found)
        if isinstance(components, Failure):
            name = "the bytes given" if isinstance(image, bytes) else fspath(image)
            raise SourceError(f"{name}: {components.reason.value}: {components.detail}")
        return self._search(components, k, None)

    def like(self, path: str, k: int) -> pa.Table:
        """The k images most like one of the result's own, by its path or the end of its path.

        Raises SourceError where no image or several have it.
        """
        _check(k)
        place = self._place(path)
        if place is None:
            place = self._by_end(path)
        return self._search(self._vectors[place], k, place)

    @cached_property
    def _network(self) -> _Network:
        """Of the result, loaded once an image asks for it."""
        return _Network.load(self._output, self._record, self._card)

    def _search(self, wanted: NDArray[np.floating], k: int, itself: int | None) -> pa.Table:
        k = min(k, len(self.rows) - (itself is not None))
        rough = self._rough(wanted)
        if itself is not None:
            rough[itself] = -np.inf
        least = np.partition(rough, -k)[-k] - _MARGIN if k else np.inf
        near = np.flatnonzero(rough >= least)
        similarity = _cosine(self._vectors[near], wanted)
        best = np.argsort(-similarity, kind="stable")[:k]
        found = self.rows.take(pa.array(near[best]))
        return found.append_column("similarity", pa.array(similarity[best], pa.float64()))

    def _rough(self, wanted: NDArray[np.floating]) -> NDArray[np.float32]:
        """Cosines in single precision: a pass over the vectors at the speed of memory."""
        one = wanted.astype(np.float32)
        norms = self._norms * np.float32(np.linalg.norm(one))
        none = np.zeros(len(norms), np.float32)
        return np.divide(self._vectors @ one, norms, out=none, where=norms > 0)

    def _place(self, image: str | PathLike[str]) -> int | None:
        """The row of a path as the table has it, or of the same file by another name."""
        for path in (fspath(image), _absolute(image)):
            if (place := pc.index(self.rows["path"], path).as_py()) >= 0:
                return int(place)
        return None

    def _by_end(self, path: str) -> int:
        ends = pc.ends_with(self.rows["path"], f"/{path}")
        found = np.flatnonzero(ends.to_numpy())
        if len(found) == 1:
            return int(found[0])
        if not len(found):
            raise SourceError(f"{path}: {self._output.root} holds no such image")
        two = " and ".join(self.rows["path"].take(pa.array(found[:2])).to_pylist())
        raise SourceError(f"{path}: {len(found)} images have it, such as {two}; give more of it")


@dataclass(frozen=True, slots=True)
class _Network:
    """What a result's own images went through."""

    embedder: Embedder
    pca: PCA
    reading: Reading

    @classmethod
    def load(cls, output: Output, record: dict[str, Any], card: PCACard) -> _Network:
        stored = models.load_embedding(output, card.fingerprint)
        if "config" not in record:
            raise TableError(
                f"{output.root} has no record of its run, which says what network it used"
            )
        model, reading = network_of(stored, record["config"]["weights"])
        EmbeddingIdentity.of(model, reading).check(stored, output.root)
        return cls(Embedder(model), models.load_pca(output, card.pca_id)[0], reading)

    def components(self, content: bytes) -> NDArray[np.float64] | Failure:
        """(k,) components of an image that the table does not hold."""
        model, reading = self.embedder.model, self.reading
        (pixels,) = decoder_of_thread().decode(
            [content], model.size, scaled=reading.scaled, views=model.shown, colour=reading.colour
        )
        if isinstance(pixels, Failure):
            return pixels
        found: NDArray[np.float64] = self.pca.transform(self.embedder.mean(pixels.views[None]))[0]
        return found


def _loaded(tables: Tables) -> pa.Table:
    """path, label and components, by path: vectors are put in their places as they are read, so
    that memory never holds them twice."""
    table = tables["components"]
    parts = [contents.read_named(tables.output, file, _KEYS) for file in table.files]
    stored = pa.concat_tables([COMPONENTS.empty_table().select(_KEYS), *parts])
    order = pc.sort_indices(stored["path"])
    place = np.empty(len(order), np.int64)
    place[order.to_numpy()] = np.arange(len(order))
    vectors, start = np.zeros((0, 0), np.float32), 0
    for batch in contents.batches_of(table, ["components"]):
        found = vectors_of(batch["components"])
        if not start:
            vectors = np.zeros((len(order), found.shape[1]), np.float32)
        vectors[place[start : start + len(found)]] = found
        start += len(found)
    rows, column = stored.take(order).combine_chunks(), COMPONENTS.field("components")
    return rows.append_column(column, list_column(vectors, column.type))


def _check(k: int) -> None:
    if k < 1:
        raise ConfigError(f"k={k}: expected a whole number of at least 1")


def _absolute(image: str | PathLike[str]) -> str:
    name = fspath(image)
    return name if is_remote(name) else str(Path(name).expanduser().absolute())


def _cosine(vectors: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n,) cosines; 0 where a vector is 0, which has no direction."""
    rows, one = vectors.astype(np.float64), wanted.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(one)
    return np.divide(rows @ one, norms, out=np.zeros(len(rows)), where=norms > 0)
