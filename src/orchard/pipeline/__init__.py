"""The spine: a folder of images becomes reduced features.

SOURCE ─list─▶ listing ─plan─▶ tasks ─embed─▶ features ─moments─▶ PCA ─project─▶ components
"""

from __future__ import annotations

from orchard.config import RunConfig
from orchard.embedding.fingerprint import EmbeddingIdentity
from orchard.images.source import Selection, list_images
from orchard.model import load_model
from orchard.pipeline import drawing, fitting, places, steps
from orchard.pipeline.state import Run
from orchard.progress import Reporter
from orchard.result import Result
from orchard.store import listings


def run(config: RunConfig, reporter: Reporter | None = None) -> Result:
    """Do what `orchard run` does; the result finds the tables and holds the run's record.

    Raises an OrchardError that says what to do. The tables are then as they were, and what was
    embedded so far is kept for the next run, as after Ctrl-C and after a kill. Nothing is written
    before SOURCE is listed and the network loaded.
    """
    run = Run.of(config, reporter)
    places.check(config, run.output)
    with run.log.timed("list"):
        memory = listings.memory(run.output)
        listing = list_images(config.sources, Selection.of(config), config.storage, memory)
        places.say(listing, run.reporter)
    with run.log.timed("load model"):
        model = load_model(config.weights, config.size, config.precision, config.view)
        identity = EmbeddingIdentity.of(model, scaled=config.is_scaled)
    with run.holding_output() as tables:
        with run.log.timed("plan"):
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
                reports = steps.embed(run, hands, plan, model, identity)
            with run.log.timed("commit"):
                committed = steps.commit(run, tables, plan, reports, identity)
                listings.keep(run.output, memory)
            chosen = fitting.choose(run, committed.tables, fitted, hands, identity, model)
            with run.log.timed("project"):
                tables = fitting.project(run, committed, chosen, hands)
            with run.log.timed("report"):
                drawing.draw(run, tables, chosen.pca, model)
        return run.finish()
