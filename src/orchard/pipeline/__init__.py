"""The spine: a folder of images becomes reduced features.

SOURCE ─list─▶ listing ─plan─▶ tasks ─embed─▶ features ─moments─▶ PCA ─project─▶ components
"""

from __future__ import annotations

from typing import Any

from orchard.config import RunConfig
from orchard.embedding.fingerprint import EmbeddingIdentity
from orchard.errors import ConfigError
from orchard.images.reading import Reading
from orchard.machine import release_memory
from orchard.pipeline import drawing, embedding, fitting, networks, places, steps
from orchard.pipeline.listing import listed
from orchard.pipeline.state import Run
from orchard.progress import Reporter
from orchard.result import Result
from orchard.store import listings


def run(
    config: RunConfig | None = None, reporter: Reporter | None = None, **settings: Any
) -> Result:
    """Do what `orchard run` does; the result finds the tables and holds the run's record.

    settings: the fields of RunConfig, in the place of one, as `run(manifest="photos.csv",
    output="result", keep_columns=["sku"])`.

    Raises an OrchardError that says what to do. The tables are then as they were, and what was
    embedded so far is kept for the next run, as after Ctrl-C and after a kill. Nothing is written
    before SOURCE is listed and the network loaded.
    """
    if (config is None) == (not settings):
        raise ConfigError("run() takes a RunConfig or its fields: expected one of the two")
    config = config or RunConfig(**settings)
    run = Run.of(config, reporter)
    places.check(config, run.output)
    with run.step("list", "listing the images"):
        memory = listings.memory(run.output)
        listing = listed(run, memory)
        places.say(listing.listing, run.reporter)
        release_memory()  # of a million images, half of what listing took
    with run.step("load model", "loading the network"):
        model = networks.load(run, listing.listing)
        identity = EmbeddingIdentity.of(model, Reading.of(config))
    with run.holding_output() as tables:
        with run.step("plan", "comparing with what is there"):
            plan = steps.plan(run, tables, listing, model, identity)
        if config.dry_run:
            return steps.estimate(run, plan, model)
        fitted = fitting.present(run, tables)
        if fitted and steps.is_up_to_date(run, tables, plan, fitted):
            return run.unchanged()
        if fitted and steps.only_relabels(run, tables, plan, fitted):
            return steps.relabel(run, tables, plan, fitted, model, identity)
        with steps.spark(run, identity) as hands:
            with run.log.timed("embed"):
                reports = embedding.embed(run, hands, plan, model, identity)
            with run.step("commit", "writing the tables"):
                committed = steps.commit(run, tables, plan, reports, identity)
                listings.keep(run.output, memory)
            del listing, plan  # some hundred bytes an image, which nothing below needs
            release_memory()
            chosen = fitting.choose(run, committed.tables, fitted, hands, identity, model)
            with run.step("project", "projecting on the components"):
                tables = fitting.project(run, committed, chosen, hands)
        with run.step("report", "drawing the report") as say:  # Spark's machines need not wait
            drawing.draw(run, tables, chosen.pca, model, say)
        return run.finish()
