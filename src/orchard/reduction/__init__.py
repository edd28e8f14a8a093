"""Standardisation and PCA from streamed moments: plain functions on NumPy arrays."""

from orchard.reduction.moments import Moments, merge, update
from orchard.reduction.pca import PCA, components_for, fit, fit_rows

__all__ = ["PCA", "Moments", "components_for", "fit", "fit_rows", "merge", "update"]
