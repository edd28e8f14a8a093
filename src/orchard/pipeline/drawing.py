"""The pictures of a run's end: the spectrum, and the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from orchard.errors import DamagedError
from orchard.model import Model
from orchard.pipeline.state import Run
from orchard.reduction import PCA
from orchard.store import models
from orchard.store.tables import Tables

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
    """The spectrum as `explained_variance.csv` and as a picture, and the report. say: takes what
    is done now."""
    from orchard.result.plots import variance_picture

    models.write_variance(run.output, pca)
    title = f"{pca.n_samples:,} images, {model.notice or model.name}"
    run.output.put(VARIANCE_PICTURE, variance_picture(pca, title))
    if run.config.report:
        _report(run, tables, say)
    run.output.put_json(DRAWN, _components(tables))


def _report(run: Run, tables: Tables, say: Callable[[str], None]) -> None:
    """The page; whatever goes wrong with it, the tables are there and the run has done its work."""
    try:
        from orchard.report.build import build

        built = build(tables, run.log.record, say=say)
    except Exception as error:
        run.reporter.warn(
            f"no report: {type(error).__name__}: {error}; the tables are whole, "
            f"`orchard report {run.output.root}` tries again"
        )
    else:
        run.log.record["report"] = asdict(built)


def _components(tables: Tables) -> dict[str, str]:
    return {"components_of_run": tables["components"].facts["orchard.run_id"]}
