"""Which PCA a run ends with, refitted from merged moments or kept, and projecting on it.

Moments are stored with the names of the feature files they are of. Files are never changed, only
added and removed, so a refit reads those that were added; where rows were removed (they changed,
went or were erased) all are read, since subtracting from a scatter matrix loses digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from orchard.embedding.fingerprint import Embedding
from orchard.errors import DamagedError
from orchard.model import Model
from orchard.pipeline.state import Committed, Run
from orchard.reduction import PCA, SHARES, Moments, components_for, fit, merge
from orchard.store import models, tables
from orchard.store.models import PCACard, StoredMoments
from orchard.store.tables import TableFile

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from orchard.spark.passes import Projection

REFIT_SHARE = 0.1  # of features that are new, or gone, since the fit: beyond it "auto" fits anew
CLEARLY_LESS = 0.05  # of the variance: what a kept PCA may miss of new images without a warning
BYTES_PER_FILE = 32 * 1024 * 1024  # of components


def is_current(run: Run) -> bool:
    """Whether the components table is what this run would make it."""
    card = _present_pca(run)
    if not _is_wanted(run, card) or card is None:
        return False
    features = tables.provenance(run.output, "features").get("orchard.run_id")
    projected = tables.provenance(run.output, "components").get("orchard.features")
    files = tables.files(run.output, "features")
    return features == projected and _may_stay(run, card, files)


def is_projected(run: Run) -> bool:
    """Whether no row is to be projected on the PCA that `is_current` has found to stay."""
    card = models.current_pca(run.output)
    files = {file.path for file in tables.files(run.output, "features")}
    return card is not None and files <= models.load_projected(run.output, card.pca_id)


def stored(run: Run) -> tuple[PCA, PCACard]:
    """The PCA of the components table, which there is."""
    card = models.current_pca(run.output)
    assert card is not None, "is_current has found one"
    return models.load_pca(run.output, card.pca_id)


def choose(
    run: Run, spark: SparkSession, embedding: Embedding, model: Model
) -> tuple[PCA, PCACard]:
    """The PCA to project on: the stored one where it may stay, or one fitted now and stored."""
    card = _present_pca(run)
    files = tables.files(run.output, "features")
    if _is_wanted(run, card) and card is not None and _may_stay(run, card, files):
        if n_erased := models.n_erased(run.output, card.pca_id):
            run.reporter.warn(
                f"{n_erased:,} images were erased since the kept PCA was fitted; --pca refit fits "
                "one without them"
            )
        return models.load_pca(run.output, card.pca_id)
    with run.log.stage("moments"):
        moments = _moments(run, spark, files)
    with run.log.stage("PCA"):
        pca = fit(moments, run.config.components, standardize=run.config.standardize)
        card = models.save_pca(
            run.output,
            pca,
            requested=run.config.components,
            standardize=run.config.standardize,
            fingerprint=embedding.fingerprint,
            notice=model.notice,
        )
    return pca, card


def project(
    run: Run, spark: SparkSession | None, pca: PCA, card: PCACard, committed: Committed
) -> None:
    """Bring the components table up to date: every feature row projected on one PCA.

    Of feature files that this run has rewritten the projections stay; labels that it has changed
    are changed here too. spark: needed where `is_projected` says that a row is to be projected.
    """
    files = tables.files(run.output, "features")
    previous = _present_pca(run)
    grows = previous is not None and previous.pca_id == card.pca_id
    known = models.load_projected(run.output, card.pca_id) if grows else frozenset()
    done = known | {file.new for file in committed.rewritten if file.old in known}
    todo = [file for file in files if file.path not in done]
    projections = _projections(run, spark, pca, card, todo) if spark is not None else []
    tables.commit(
        run.output,
        run.log.run_id,
        "components",
        [projection.file for projection in projections],
        superseded=_outdated(run, (file.path for file in todo)) if grows else None,
        labels=committed.labels,
        overwrite=not grows,
        facts={"orchard.features": tables.provenance(run.output, "features")["orchard.run_id"]},
    )
    models.save_projected(run.output, card.pca_id, (file.path for file in files))
    _record(run, pca, card, projections if grows else [])


def _projections(
    run: Run, spark: SparkSession, pca: PCA, card: PCACard, todo: list[TableFile]
) -> list[Projection]:
    from orchard.spark import passes

    context = spark.sparkContext
    n_rows = sum(file.n_rows for file in todo)
    n_files = -(-n_rows * pca.n_components * 4 // BYTES_PER_FILE)
    groups = group(todo, max(context.defaultParallelism, n_files))
    return passes.project(
        context, run.output, pca, groups, pca_id=card.pca_id, run_id=run.log.run_id
    )


def group(files: list[TableFile], n: int) -> list[list[str]]:
    """Consecutive files in at most n groups of about equal rows."""
    total = sum(file.n_rows for file in files)
    groups: dict[int, list[str]] = {}
    seen = 0
    for file in files:
        if file.n_rows:
            groups.setdefault(seen * n // total, []).append(file.path)
            seen += file.n_rows
    return list(groups.values())


def _present_pca(run: Run) -> PCACard | None:
    """The PCA of the components table; none where it is damaged and this run fits another anyway.

    Raises DamagedError where it is damaged and might have stayed.
    """
    try:
        card = models.current_pca(run.output)
        return card and models.load_pca(run.output, card.pca_id)[1]
    except DamagedError:
        if run.config.replace or run.config.pca == "refit":
            return None
        raise


def _stored_moments(run: Run) -> StoredMoments | None:
    """Moments to build upon; none where they are damaged: merged, they would spoil every fit."""
    try:
        return models.load_moments(run.output)
    except DamagedError as error:
        run.reporter.warn(f"{error}; all features are read again")
        models.forget_moments(run.output)
        return None


def _is_wanted(run: Run, card: PCACard | None) -> bool:
    return (
        card is not None
        and not run.config.replace
        and card.requested == run.config.components
        and card.standardize == run.config.standardize
    )


def _may_stay(run: Run, card: PCACard, files: list[TableFile]) -> bool:
    if run.config.pca != "auto":
        return run.config.pca == "keep"
    stored = _stored_moments(run)
    if stored is None or stored.moments.n_samples != card.n_samples:
        return False
    fitted = stored.files | stored.survivors
    n_kept = sum(file.n_rows for file in files if file.path in fitted)
    n_new = sum(file.n_rows for file in files) - n_kept
    n_gone = card.n_samples - n_kept
    return max(n_new, n_gone) <= REFIT_SHARE * card.n_samples


def _moments(run: Run, spark: SparkSession, files: list[TableFile]) -> Moments:
    from orchard.spark import passes

    stored = _stored_moments(run)
    paths = {file.path for file in files}
    known = stored if stored is not None and stored.files <= paths else None
    todo = [file for file in files if known is None or file.path not in known.files]
    context = spark.sparkContext
    total = known.moments if known else None
    if todo:
        groups = group(todo, context.defaultParallelism)
        found = passes.moments(context, run.output, groups)
        total = merge(total, found) if total else found
    assert total is not None, "a features table without rows has stopped the run before"
    run.log.record["moments_read"] = sum(file.n_rows for file in todo)
    models.save_moments(run.output, StoredMoments(total, frozenset(paths)))
    return total


def _outdated(run: Run, new_files: Iterable[str]) -> pa.Array:
    """Paths of components whose features changed or went."""
    features = tables.read(run.output, "features", ["path"])["path"]
    components = tables.read(run.output, "components", ["path"])["path"]
    went = components.filter(pc.invert(pc.is_in(components, value_set=features)))
    new = [tables.read_file(run.output, path, ["path"])["path"] for path in new_files]
    return pa.chunked_array([*went.chunks, *(c for n in new for c in n.chunks)], pa.string())


def _record(run: Run, pca: PCA, card: PCACard, projections: list[Projection]) -> None:
    kept = float(pca.explained_variance_ratio[: pca.n_components].sum())
    shares = {f"{s:.2f}": components_for(pca.explained_variance, s) for s in SHARES}
    run.log.record["pca"] = {**asdict(card), "components_for": shares, "variance_kept": kept}
    energy = sum(projection.energy for projection in projections)
    if energy:
        new = sum(projection.kept for projection in projections) / energy
        run.log.record["pca"]["variance_kept_of_new"] = new
        if new < kept - CLEARLY_LESS:
            run.reporter.warn(
                f"the kept PCA explains {new:.1%} of the new images' variance, against {kept:.1%} "
                "of those it was fitted on; --pca refit fits it again"
            )
