"""What a run commits: each table in a transaction of its own."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from orchard.pipeline import gone, pictures
from orchard.pipeline.planning import Plan
from orchard.pipeline.state import Committed, Run
from orchard.records import with_labels
from orchard.store import contents, models, staging
from orchard.store.changes import Rewritten
from orchard.store.snapshot import TableFile
from orchard.store.tables import Tables


def commit_tables(
    run: Run,
    tables: Tables,
    plan: Plan,
    features: list[TableFile],
    errors: list[TableFile],
    thumbnails: list[TableFile],
    unlistable: pa.Array,
) -> Committed:
    """Each table in a transaction of its own: a row is in another before it leaves the one, and a
    thumbnail is there before the features are."""

    def put(
        table: str, files: list[TableFile], superseded: list[pa.Array], step: str = ""
    ) -> tuple[Rewritten, ...]:
        nonlocal tables
        tables, rewritten = tables.commit(
            run.log.run_id,
            table,
            files,
            superseded=pa.concat_arrays(superseded),
            labels=plan.labels,
            overwrite=run.config.replace,
            step=step,
        )
        return rewritten

    tables = pictures.commit(run, tables, plan, thumbnails)
    came_back = gone.stage_returned(run, tables, plan)
    put("gone", gone.stage_gone(run, tables, plan), [plan.twice])
    rewritten = put("features", features + came_back, [plan.superseded, plan.gone])
    put("errors", errors, [plan.superseded, plan.recovered, unlistable])
    if len(plan.back):
        put("gone", [], [plan.back], step="back")
    models.follow_moments(run.output, rewritten)
    return Committed(tables, rewritten, plan.labels)


def adopted(run: Run, plan: Plan) -> list[TableFile]:
    """The files of an interrupted run, with the labels of this one."""
    found = []
    for number, path in enumerate(plan.adopted):
        paths = contents.read_file(run.output, path, ["path"])["path"]
        if pc.any(pc.is_in(paths, value_set=plan.labels["path"])).as_py():
            rows = with_labels(contents.read_file(run.output, path), plan.labels)
            task = f"adopted{number:05d}"
            found.append(staging.stage(run.output, run.log.run_id, "features", task, rows))
        else:
            found.append(staging.describe(run.output, path))
    return found


def empty_components(run: Run, tables: Tables) -> None:
    """Without features there are none: nothing is left that a PCA could be of."""
    if tables["components"].n_rows:
        tables.commit(run.log.run_id, "components", [], overwrite=True)
