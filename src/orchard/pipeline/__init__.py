"""The spine: a folder of images becomes reduced features.

SOURCE ─list─▶ listing ─plan─▶ tasks ─embed─▶ features ─moments─▶ PCA ─project─▶ components
"""

from __future__ import annotations

from orchard.config import RunConfig
from orchard.embedding.fingerprint import Embedding
from orchard.images.source import Selection, list_images
from orchard.model import load_model
from orchard.pipeline import drawing, fitting, places, steps
from orchard.pipeline.state import Run
from orchard.progress import Reporter
from orchard.result import Result


def run(config: RunConfig, reporter: Reporter | None = None) -> Result:
    """Do what `orchard run` does; the result finds the tables and holds the run's record.

    Raises an OrchardError that says what to do. The tables are then as they were, and what was
    embedded so far is kept for the next run, as after Ctrl-C and after a kill. Nothing is written
    before SOURCE is listed and the network loaded.
    """
    run = Run.of(config, reporter)
    places.check(config, run.output)
    with run.log.stage("list"):
        listing = list_images(config.sources, Selection.of(config), config.storage)
        places.tell(listing, run.reporter)
    with run.log.stage("load model"):
        model = load_model(config.weights, config.size, config.precision, config.view)
        embedding = Embedding.of(model, scaled=config.is_scaled)
    with run.holding_output():
        with run.log.stage("plan"):
            plan = steps.plan(run, listing, model, embedding)
        if config.dry_run:
            return steps.estimate(run, plan, model)
        if steps.is_up_to_date(run, plan):
            return run.unchanged()
        if steps.only_relabels(run, plan):
            return steps.relabel(run, plan, model, embedding)
        with steps.spark(run, embedding) as spark:
            with run.log.stage("embed"):
                reports = steps.embed(run, spark, plan, model, embedding)
            with run.log.stage("commit"):
                committed = steps.commit(run, plan, reports, embedding)
            pca, card = fitting.choose(run, spark, embedding, model)
            with run.log.stage("project"):
                fitting.project(run, spark, pca, card, committed)
            with run.log.stage("report"):
                drawing.draw(run, pca, model)
        return run.finish()
