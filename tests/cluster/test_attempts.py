"""Two attempts at one task each stage a file; the one that Spark reports becomes the table's.

A second attempt that Spark itself starts is in `test_lost_workers.py`, on a cluster.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.results import (
    SETTINGS,
    assert_plain_readers_agree,
    assert_whole,
    rows,
    run_here,
    staged,
)
from orchard.config import RunConfig
from orchard.embedding.fingerprint import EmbeddingIdentity
from orchard.images.reading import Reading
from orchard.images.source import Selection, list_images
from orchard.model import load_model
from orchard.spark import passes
from orchard.spark.passes import EmbedReport, ModelSource
from orchard.store.output import Output
from orchard.store.tables import Tables

RUN = "20261130T120000.000000Z-0000a1"


@pytest.fixture
def attempts(photos: Path, tmp_path: Path) -> list[EmbedReport]:
    """What two attempts at the task of embedding all photos report."""
    config = RunConfig(sources=(str(photos),), output=str(tmp_path / "out"), **SETTINGS)
    images = list_images(config.sources, Selection.of(config), config.storage).images
    embedding = EmbeddingIdentity.of(load_model(config.weights, config.size))
    source = ModelSource(embedding.fingerprint, None, config.weights, SETTINGS["size"])
    return [
        passes._embed(
            (0, passes.pack(images)),
            source=source,
            output=Output.at(config.output),
            fingerprint=embedding.fingerprint,
            run_id=RUN,
            reading=Reading(),
            pictured=None,
        )
        for _ in range(2)
    ]


@pytest.mark.parametrize("reported", [0, 1])
def test_the_reported_one_is_committed(attempts, photos, tmp_path, reported):
    output = Output.at(tmp_path / "out")
    assert len(staged(tmp_path / "out")) == 1  # equal bytes have one name
    file = attempts[reported].features
    Tables(output).commit(RUN, "features", [file])
    assert len(rows(tmp_path / "out/features")) == 40
    assert_plain_readers_agree(tmp_path / "out/features")
    assert [Path(f.path).name for f in Tables(output)["features"].files] == [Path(file.path).name]


def test_after_a_kill_one_of_them_is_taken_over(attempts, photos, tmp_path, undisturbed_photos):
    record = run_here(photos, tmp_path / "out")
    assert record["counts"]["adopted"] == 40
    assert record["embedding"]["images"] == 0
    assert_whole(tmp_path / "out", undisturbed_photos, record)
