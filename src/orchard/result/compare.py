"""Whether two results are the same within a tolerance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchard.errors import TableError
from orchard.records import vectors_of
from orchard.store import models
from orchard.store.output import Output
from orchard.store.rows import RowIndex
from orchard.store.tables import Tables

FEATURE_TOLERANCE = 1e-4  # absolute, of features in [0, 6]
COMPONENT_TOLERANCE = 1e-3  # in standard deviations of the component
NAMED = 10  # images of each kind
_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two results A and B side by side.

    n_both, n_only_a, n_only_b: images by path. feature_difference: largest absolute. errors_equal:
    the same paths failed for the same reasons. n_components: of A and B. component_difference:
    largest, each component taken up to its sign, in standard deviations of that component; None
    where the numbers of components differ. variance_difference: largest relative, over the
    variances of the components kept.

    only_a, only_b, unlike_errors: paths, the first NAMED of each. n_unlike: images in both whose
    features differ by more than the tolerance. unlike: the NAMED of these that differ most, each
    with its difference.
    """

    n_both: int
    n_only_a: int
    n_only_b: int
    feature_difference: float
    errors_equal: bool
    n_components: tuple[int, int]
    component_difference: float | None
    variance_difference: float | None
    tolerance: float
    component_tolerance: float
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    unlike: tuple[tuple[str, float], ...] = ()
    n_unlike: int = 0
    unlike_errors: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        return (
            self.n_both > 0
            and not (self.n_only_a or self.n_only_b)
            and self.errors_equal
            and self.feature_difference <= self.tolerance
            and self.component_difference is not None
            and self.component_difference <= self.component_tolerance
        )


def compare(
    a: Output,
    b: Output,
    *,
    tolerance: float = FEATURE_TOLERANCE,
    component_tolerance: float = COMPONENT_TOLERANCE,
) -> Comparison:
    """Compare two results image by image; memory does not grow with the vectors.

    Raises TableError where a folder holds no result, or features of different width.
    """
    tables_a, tables_b = Tables(a), Tables(b)
    rows_a, rows_b = RowIndex(tables_a, "features"), RowIndex(tables_b, "features")
    for output, rows in ((a, rows_a), (b, rows_b)):
        if not len(rows):
            raise TableError(f"{output.root} holds no features; expected the OUTPUT of a run")
    pairs = _pairs(rows_a, rows_b)
    differences = [np.zeros(0, np.float32)]
    for left, right in _vectors(rows_a, rows_b, pairs, "features"):
        if left.shape != right.shape:
            raise TableError(
                f"features have {left.shape[1]} values in {a.root} and {right.shape[1]} in {b.root}"
            )
        differences.append(np.abs(left - right).max(axis=1))
    difference = np.concatenate(differences)
    unlike = np.flatnonzero(~(difference <= tolerance))  # a NaN equals nothing
    most = unlike[np.argsort(-np.nan_to_num(difference[unlike], nan=np.inf), kind="stable")][:NAMED]
    failed_a, failed_b = _failed(tables_a), _failed(tables_b)
    n_components, component_difference, variance_difference = _compare_components(
        tables_a, tables_b
    )
    return Comparison(
        n_both=len(pairs[0]),
        n_only_a=len(rows_a) - len(pairs[0]),
        n_only_b=len(rows_b) - len(pairs[0]),
        feature_difference=float(difference.max(initial=0)),
        errors_equal=failed_a == failed_b,
        n_components=n_components,
        component_difference=component_difference,
        variance_difference=variance_difference,
        tolerance=tolerance,
        component_tolerance=component_tolerance,
        only_a=_others(rows_a, pairs[0]),
        only_b=_others(rows_b, pairs[1]),
        unlike=tuple(
            (rows_a.paths[int(pairs[0][at])].as_py(), float(difference[at])) for at in most
        ),
        n_unlike=len(unlike),
        unlike_errors=tuple(sorted({path for path, _ in failed_a ^ failed_b})[:NAMED]),
    )


def _others(rows: RowIndex, known: NDArray[np.int64]) -> tuple[str, ...]:
    """The first NAMED paths that are not at the known positions."""
    is_other = np.ones(len(rows), bool)
    is_other[known] = False
    first = np.flatnonzero(is_other)[:NAMED]
    return tuple(sorted(rows.paths.take(pa.array(first)).to_pylist()))


def _compare_components(a: Tables, b: Tables) -> tuple[tuple[int, int], float | None, float | None]:
    card_a, card_b = models.current_pca(a), models.current_pca(b)
    k = (card_a.n_components if card_a else 0, card_b.n_components if card_b else 0)
    if card_a is None or card_b is None or k[0] != k[1]:
        return k, None, None
    variance_a, variance_b = (
        models.load_pca(tables.output, card.pca_id)[0].explained_variance[: k[0]]
        for tables, card in ((a, card_a), (b, card_b))
    )
    rows_a, rows_b = RowIndex(a, "components"), RowIndex(b, "components")
    same, flipped = np.zeros(k[0]), np.zeros(k[0])
    for left, right in _vectors(rows_a, rows_b, _pairs(rows_a, rows_b), "components"):
        same = np.maximum(same, np.abs(left - right).max(axis=0))
        flipped = np.maximum(flipped, np.abs(left + right).max(axis=0))
    difference = np.minimum(same, flipped) / np.sqrt(variance_a)
    relative = np.abs(variance_a - variance_b) / variance_a
    return k, float(difference.max()), float(relative.max())


def _pairs(a: RowIndex, b: RowIndex) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions in A and in B of the paths that both hold."""
    found = pc.index_in(a.paths, value_set=b.paths)
    both = pc.is_valid(found)
    in_a = np.flatnonzero(both.to_numpy(zero_copy_only=False))
    return in_a, found.filter(both).to_numpy().astype(np.int64)


def _vectors(
    a: RowIndex, b: RowIndex, pairs: tuple[NDArray[np.int64], NDArray[np.int64]], column: str
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    for start in range(0, len(pairs[0]), _ROWS):
        chunk = slice(start, start + _ROWS)
        yield (
            vectors_of(a.take(pairs[0][chunk], (column,))[column]),
            vectors_of(b.take(pairs[1][chunk], (column,))[column]),
        )


def _failed(tables: Tables) -> set[tuple[str, str]]:
    rows = tables.read("errors", ["path", "reason"])
    return set(zip(rows["path"].to_pylist(), rows["reason"].to_pylist(), strict=True))
