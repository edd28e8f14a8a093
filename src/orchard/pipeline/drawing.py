"""A run's end: the findings, the spectrum as a picture, and the report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchard.errors import DamagedError
from orchard.model import Model
from orchard.pipeline.state import Run
from orchard.reduction import PCA
from orchard.store import findings, models
from orchard.store.tables import Tables

if TYPE_CHECKING:
    from orchard.report.known import Known

VARIANCE_PICTURE = "report/explained_variance.png"
DRAWN = "report/drawn.json"  # written last


def is_current(run: Run, tables: Tables) -> bool:
    """Whether the report is there and of the present components: a kill may come in between."""
    if DRAWN not in run.output.paths("report"):
        return False
    try:
        return bool(run.output.get_json(DRAWN) == _components(tables))
    except DamagedError:
        return False


def draw(run: Run, tables: Tables, pca: PCA, model: Model, say: Callable[[str], None]) -> None:
    """The findings, the spectrum as `explained_variance.csv` and as a picture, and the report.

    say: takes what is done now."""
    from orchard.result.plots import variance_picture

    models.write_variance(run.output, pca)
    title = f"{pca.n_samples:,} images, {model.notice or model.name}"
    run.output.put(VARIANCE_PICTURE, variance_picture(pca, title))
    known = None
    if run.config.findings:
        say("findings: comparing the images")
        known = _find(run, tables)
    elif not _has_findings(tables):
        findings.delete(run.output)  # those of before are of other images
    if run.config.report:
        _report(run, tables, say, known)
    run.output.put_json(DRAWN, _components(tables))


def _find(run: Run, tables: Tables) -> Known | None:
    """Renew the findings; as with the page, whatever goes wrong leaves the tables as they are."""
    from orchard.findings import counts, renew

    try:
        rows, seen = renew(tables)
    except Exception as error:
        findings.delete(run.output)  # those of before are of other images
        run.reporter.warn(
            f"no findings: {type(error).__name__}: {error}; the tables are whole, "
            f"`orchard findings {run.output.root}` tries again"
        )
        return None
    run.log.record["findings"] = counts(rows)
    return seen.known(rows)


def _has_findings(tables: Tables) -> bool:
    """Whether they are of the present components."""
    with suppress(DamagedError):
        return findings.read_current(tables) is not None
    return False


def _report(run: Run, tables: Tables, say: Callable[[str], None], known: Known | None) -> None:
    """The page; whatever goes wrong with it, the tables are there and the run has done its work."""
    try:
        from orchard.report.build import build

        built = build(tables, run.log.record, say=say, known=known)
    except Exception as error:
        run.reporter.warn(
            f"no report: {type(error).__name__}: {error}; the tables are whole, "
            f"`orchard report {run.output.root}` tries again"
        )
    else:
        run.log.record["report"] = asdict(built)


def _components(tables: Tables) -> dict[str, Any]:
    """findings: that the run knew of them; a report of an older version does not say so."""
    return {"components_of_run": tables["components"].facts["orchard.run_id"], "findings": True}
