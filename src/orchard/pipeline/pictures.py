"""The thumbnails of a run: committed before the features, so that none of these lacks its own.

A killed run may have committed the thumbnails and not the features, or neither. The next run takes
over both from where they were staged: thumbnails stay there until its end.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from orchard.errors import DamagedError
from orchard.pipeline.planning import Plan
from orchard.pipeline.state import Run
from orchard.store import contents, staging
from orchard.store.snapshot import TableFile
from orchard.store.tables import Tables


def commit(run: Run, tables: Tables, plan: Plan, made: list[TableFile]) -> Tables:
    """The tables with the thumbnails of this run and of what it adopts, and without those of images
    that changed. Of an image that went from its source the thumbnail stays, as its features do."""
    adopted = _paths(run, plan.adopted)
    files = made + (_adopted(run, tables, plan) if run.config.thumbnails else [])
    if tables["thumbnails"].version < 0 and not files:
        return tables
    stale = plan.superseded.filter(pc.invert(pc.is_in(plan.superseded, value_set=adopted)))
    leaving = [_paths(run, (file.path for file in files)), stale, plan.recovered]
    tables, _ = tables.commit(
        run.log.run_id,
        "thumbnails",
        files,
        superseded=pa.concat_arrays(leaving),
        overwrite=run.config.replace,
        stay=True,
    )
    return tables


def _adopted(run: Run, tables: Tables, plan: Plan) -> list[TableFile]:
    """The staged thumbnails beside the features that are adopted, one file a task, less those that
    were committed before the run was killed. A damaged one is left out: features are what counts.
    """
    tasks = {staging.task_of(path) for path in plan.adopted}
    tasks -= {staging.task_of(file.path) for file in tables["thumbnails"].files}
    found: dict[str, TableFile] = {}
    for path in staging.staged(run.output, "thumbnails") if tasks else ():
        if (task := staging.task_of(path)) in tasks - found.keys():
            try:
                found[task] = staging.describe(run.output, path)
            except DamagedError:
                continue
    return list(found.values())


def _paths(run: Run, files: Iterable[str]) -> pa.Array:
    columns = [contents.read_file(run.output, file, ["path"])["path"] for file in files]
    chunks = [chunk for column in columns for chunk in column.chunks]
    return pa.chunked_array(chunks, pa.string()).combine_chunks()
