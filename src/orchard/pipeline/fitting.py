"""Which PCA a run ends with, refitted from merged moments or kept, and projecting on it.

Moments are stored with the names of the feature files they are of. Files are never changed, only
added and removed, so a refit reads those that were added; where rows were removed (they changed,
went or were erased) all are read, since subtracting from a scatter matrix loses digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from orchard.embedding.fingerprint import EmbeddingIdentity
from orchard.errors import DamagedError
from orchard.model import Model
from orchard.pipeline.state import Committed, Run
from orchard.reduction import PCA, SHARES, Moments, components_for, fit, merge
from orchard.storage.results import RUN_KEY
from orchard.store import contents, models
from orchard.store.models import PCACard, StoredMoments
from orchard.store.snapshot import TableFile
from orchard.store.tables import Tables

if TYPE_CHECKING:
    from orchard.spark.hands import Hands
    from orchard.spark.passes import Projection

REFIT_SHARE = 0.1  # of features that are new, or gone, since the fit: beyond it "auto" fits anew
CLEARLY_LESS = 0.05  # of the variance: what a kept PCA may miss of new images without a warning
BYTES_PER_FILE = 32 * 1024 * 1024  # of components


@dataclass(frozen=True, slots=True)
class Fitted:
    """A PCA, its card, and the feature files whose projections on it the components table holds;
    None where that table is of another PCA."""

    pca: PCA
    card: PCACard
    projected: frozenset[str] | None


def present(run: Run, tables: Tables) -> Fitted | None:
    """The PCA of the components table; None where there is none, or it is damaged and this run
    fits another anyway.

    Raises DamagedError where it is damaged and might have stayed.
    """
    try:
        card = models.current_pca(tables)
        if card is None:
            return None
        pca, card = models.load_pca(run.output, card.pca_id)
        return Fitted(pca, card, models.load_projected(run.output, card.pca_id))
    except DamagedError:
        if run.config.replace or run.config.pca == "refit":
            return None
        raise


def is_current(run: Run, tables: Tables, fitted: Fitted) -> bool:
    """Whether the components table is what this run would make it."""
    features, components = tables["features"], tables["components"]
    projected = components.facts.get("orchard.features")
    if not _is_wanted(run, fitted.card) or features.facts.get(RUN_KEY) != projected:
        return False
    stored = _stored_moments(run) if run.config.pca == "auto" else None
    return _may_stay(run, fitted.card, features.files, stored)


def is_projected(tables: Tables, fitted: Fitted) -> bool:
    """Whether no row is to be projected on the PCA that `is_current` has found to stay."""
    return {file.path for file in tables["features"].files} <= (fitted.projected or frozenset())


def choose(
    run: Run,
    tables: Tables,
    before: Fitted | None,
    hands: Hands,
    identity: EmbeddingIdentity,
    model: Model,
) -> Fitted:
    """The PCA to project on: the one before where it may stay, or one fitted now and stored."""
    files = tables["features"].files
    is_wanted = before is not None and _is_wanted(run, before.card)
    stored = None if is_wanted and run.config.pca == "keep" else _stored_moments(run)
    if before and is_wanted and _may_stay(run, before.card, files, stored):
        if n_erased := models.n_erased(run.output, before.card.pca_id):
            run.reporter.warn(
                f"{n_erased:,} images were erased since the kept PCA was fitted; --pca refit fits "
                "one without them"
            )
        return before
    with run.step("moments", "reading the features for the PCA"):
        moments = _moments(run, hands, files, stored)
    with run.step("PCA", "computing the principal components"):
        pca = fit(moments, run.config.components, standardize=run.config.standardize)
        card = models.save_pca(
            run.output,
            pca,
            requested=run.config.components,
            standardize=run.config.standardize,
            fingerprint=identity.fingerprint,
            notice=model.notice,
        )
    is_same = before is not None and before.card.pca_id == card.pca_id
    return Fitted(pca, card, before.projected if before and is_same else None)


def project(run: Run, committed: Committed, fitted: Fitted, hands: Hands | None) -> Tables:
    """Bring the components table up to date: every feature row projected on one PCA.

    Of feature files that this run has rewritten the projections stay; labels that it has changed
    are changed here too. hands: needed where `is_projected` says that a row is to be projected.
    """
    tables, pca, card = committed.tables, fitted.pca, fitted.card
    files = tables["features"].files
    grows = fitted.projected is not None and not run.config.replace
    known = fitted.projected or frozenset()
    done = known | {file.new for file in committed.rewritten if file.old in known}
    todo = [file for file in files if file.path not in done]
    projections = _projections(run, hands, pca, card, todo) if hands is not None else []
    tables, _ = tables.commit(
        run.log.run_id,
        "components",
        [projection.file for projection in projections],
        superseded=_outdated(tables, (file.path for file in todo)) if grows else None,
        labels=committed.labels,
        overwrite=not grows,
        facts={"orchard.features": tables["features"].facts[RUN_KEY]},
    )
    models.save_projected(run.output, card.pca_id, (file.path for file in files))
    _record(run, pca, card, projections if grows else [])
    return tables


def _projections(
    run: Run, hands: Hands, pca: PCA, card: PCACard, todo: list[TableFile]
) -> list[Projection]:
    from orchard.spark import passes

    n_rows = sum(file.n_rows for file in todo)
    n_files = -(-n_rows * pca.n_components * 4 // BYTES_PER_FILE)
    groups = group(todo, max(hands.slots, n_files))
    return passes.project(hands, run.output, card.pca_id, groups, run_id=run.log.run_id)


def group(files: Sequence[TableFile], n: int) -> list[list[str]]:
    """Consecutive files in at most n groups of about equal rows."""
    total = sum(file.n_rows for file in files)
    groups: dict[int, list[str]] = {}
    seen = 0
    for file in files:
        if file.n_rows:
            groups.setdefault(seen * n // total, []).append(file.path)
            seen += file.n_rows
    return list(groups.values())


def _stored_moments(run: Run) -> StoredMoments | None:
    """Moments to build upon; none where they are damaged: merged, they would spoil every fit."""
    try:
        return models.load_moments(run.output)
    except DamagedError as error:
        run.reporter.warn(f"{error}; all features are read again")
        models.forget_moments(run.output)
        return None


def _is_wanted(run: Run, card: PCACard) -> bool:
    return (
        not run.config.replace
        and card.requested == run.config.components
        and card.standardize == run.config.standardize
    )


def _may_stay(
    run: Run, card: PCACard, files: Sequence[TableFile], stored: StoredMoments | None
) -> bool:
    if run.config.pca != "auto":
        return run.config.pca == "keep"
    if stored is None or stored.moments.n_samples != card.n_samples:
        return False
    fitted = stored.files | stored.survivors
    n_kept = sum(file.n_rows for file in files if file.path in fitted)
    n_new = sum(file.n_rows for file in files) - n_kept
    n_gone = card.n_samples - n_kept
    return max(n_new, n_gone) <= REFIT_SHARE * card.n_samples


def _moments(
    run: Run, hands: Hands, files: Sequence[TableFile], stored: StoredMoments | None
) -> Moments:
    from orchard.spark import passes

    paths = {file.path for file in files}
    known = stored if stored is not None and stored.files <= paths else None
    todo = [file for file in files if known is None or file.path not in known.files]
    total = known.moments if known else None
    if todo:
        found = passes.moments(hands, run.output, group(todo, hands.slots))
        total = merge(total, found) if total else found
    assert total is not None, "a features table without rows has stopped the run before"
    run.log.record["moments_read"] = sum(file.n_rows for file in todo)
    models.save_moments(run.output, StoredMoments(total, frozenset(paths)))
    return total


def _outdated(tables: Tables, new_files: Iterable[str]) -> pa.Array:
    """Paths of components whose features changed or went."""
    features = tables.read("features", ["path"])["path"]
    components = tables.read("components", ["path"])["path"]
    went = components.filter(pc.invert(pc.is_in(components, value_set=features)))
    new = [contents.read_file(tables.output, path, ["path"])["path"] for path in new_files]
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
