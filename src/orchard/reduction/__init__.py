"""Standardisation and PCA from streamed moments: plain functions on NumPy arrays."""

from orchard.reduction.moments import Moments, merge, update
from orchard.reduction.pca import PCA, SHARES, components_for, fit, fit_rows, n_shown

__all__ = [
    "PCA",
    "SHARES",
    "Moments",
    "components_for",
    "fit",
    "fit_rows",
    "merge",
    "n_shown",
    "update",
]
