"""What distributing a task adds to the task's own work."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any
from zipimport import zipimporter

import pyspark

from orchard.spark import housekeeping
from orchard.spark.hands import hands_of


def zips(_: object) -> list[str]:
    caches = sys.path_importer_cache
    return [path for path, finder in caches.items() if isinstance(finder, zipimporter)]


def test_a_task_leaves_no_zip_file_for_the_next_one_to_read_anew() -> None:
    """PySpark has Python look at every such file again before each task."""
    (found,) = (Path(pyspark.__file__).parent / "python/lib").glob("py4j*.zip")
    sys.path_importer_cache[str(found)] = zipimporter(str(found))
    assert str(found) in zips(None)
    try:
        assert housekeeping.without_housekeeping(str, 7) == "7"
        assert zips(None) == []
    finally:
        gc.unfreeze()


def test_what_a_worker_has_loaded_is_not_searched_for_garbage_after_each_task(spark: Any) -> None:
    frozen = hands_of(spark).job(lambda _: gc.get_freeze_count(), [0] * 8).run()
    assert max(frozen) > 10_000


def test_a_worker_still_finds_what_lies_in_a_zip_file(spark: Any) -> None:
    def imported(_: int) -> str:
        sys.modules.pop("py4j.java_collections", None)
        import py4j.java_collections

        return py4j.java_collections.__name__

    found = hands_of(spark).job(imported, list(range(8))).run()
    assert found == ["py4j.java_collections"] * 8
