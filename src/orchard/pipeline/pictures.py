"""The thumbnails of a run: committed before the features, so that none of these lacks its own.

A killed run may have committed the thumbnails and not the features, or neither. The next run takes
over both from where they were staged: thumbnails stay there until its end.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from orchard.errors import DamagedError
from orchard.pipeline.planning import Plan
from orchard.pipeline.state import Run
from orchard.store import contents, staging
from orchard.store.snapshot import TableFile
from orchard.store.tables import Tables


def commit(run: Run, tables: Tables, plan: Plan, made: list[TableFile]) -> Tables:
    """The tables with the thumbnails of this run and of what it adopts, and without those of images
    that changed. Of an image that went from its source the thumbnail stays, as its features do."""
    files = [*made, *(_adopted(run, plan) if run.config.thumbnails else ())]
    if tables["thumbnails"].version < 0 and not files:
        return tables
    added = [contents.read_file(run.output, file.path, ["path"])["path"] for file in files]
    leaving = [chunk for column in added for chunk in column.chunks]
    tables, _ = tables.commit(
        run.log.run_id,
        "thumbnails",
        files,
        superseded=pa.concat_arrays([*leaving, plan.superseded, plan.recovered]),
        overwrite=run.config.replace,
        stay=True,
    )
    return tables


def _adopted(run: Run, plan: Plan) -> Iterator[TableFile]:
    """The staged thumbnails beside the features that are adopted, one file a task.

    Images that failed are not adopted but tried again. Of damaged files there are none: it is the
    features that count.
    """
    tasks = {staging.task_of(path) for path in plan.adopted}
    for number, path in enumerate(staging.staged(run.output, "thumbnails") if tasks else ()):
        if staging.task_of(path) not in tasks:
            continue
        tasks.remove(staging.task_of(path))
        try:
            rows = contents.read_file(run.output, path)
        except DamagedError:
            continue
        good = rows.filter(rows["sha256"].is_valid())
        yield staging.stage(run.output, run.log.run_id, "thumbnails", f"adopted{number:05d}", good)
