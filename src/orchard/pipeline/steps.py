"""The steps of the spine: between the listing, Spark and the tables, and into the run's record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from itertools import compress
from typing import TYPE_CHECKING

import pyarrow as pa

from orchard.embedding.extraction import listing_errors
from orchard.embedding.fingerprint import EmbeddingIdentity
from orchard.errors import CountsError, DamagedError, OrchardError, TooManyErrors
from orchard.images.source import Listing
from orchard.machine import peak_memory, release_memory
from orchard.model import Model
from orchard.pipeline import commits, doubles, drawing, fitting, gone, labels
from orchard.pipeline.fitting import Fitted
from orchard.pipeline.gone import find_gone
from orchard.pipeline.known import known_rows
from orchard.pipeline.listing import Listed
from orchard.pipeline.planning import KEY, Plan, adopt, make_plan, set_labels
from orchard.pipeline.same_bytes import recognised
from orchard.pipeline.state import Committed, Run
from orchard.pipeline.timing import Estimate
from orchard.records import LABELS, Reason, widened, with_kept
from orchard.result import Result
from orchard.store import contents, models, staging
from orchard.store.suppression import Suppression
from orchard.store.tables import Tables

if TYPE_CHECKING:
    from orchard.spark.hands import Hands
    from orchard.spark.passes import EmbedReport


def plan(
    run: Run, tables: Tables, found: Listed, model: Model, identity: EmbeddingIdentity
) -> Plan:
    """What is to be embedded, less what OUTPUT holds or an interrupted run left staged."""
    if model.notice:
        run.reporter.warn(model.notice)
    known = known_rows(run, tables, identity)
    release_memory()  # before what is compared, too, is held twice
    listing, n_suppressed = _without_erased(run, found.listing)
    listing = recognised(run, tables, listing, known.features, found.memory)
    config, rules = run.config, found.rules(run, tables)
    made = make_plan(
        listing,
        known.features,
        known.errors,
        known.gone,
        retry_errors=config.retry_errors,
        admitted=(Reason.DAMAGED,) if config.damaged == "keep" else (),
    )
    release_memory()
    made = find_gone(
        made,
        listing,
        known.features,
        known.errors,
        known.gone,
        config,
        rules.expects,
        left_out=found.leaves_out,
    )
    release_memory()
    staged = list(_staged_keys(run, identity))
    schema = with_kept(LABELS, known.kept)
    rows = pa.concat_tables([known.labelled, *(widened(keys, schema) for _, keys in staged)])
    made = set_labels(made, labels.differing(listing, rows, config, rules))
    made = adopt(made, staged)
    run.log.record |= {
        "model": {"name": model.name, "notice": model.notice, **identity.fields},
        "fingerprint": identity.fingerprint,
        "versions": identity.versions,
        "counts": made.counts() | {"suppressed": n_suppressed, "excluded": found.n_left_out},
    }
    return made


def estimate(run: Run, plan: Plan, model: Model) -> Result:
    """Time a few of the images in this process; nothing is written."""
    found = Estimate.measure(plan.images, model, run.config, run.log.record["counts"]["listed"])
    run.log.record["estimate"] = asdict(found)
    return Result(run.output.root, run.log.record, run.output.storage)


def is_up_to_date(run: Run, tables: Tables, plan: Plan, fitted: Fitted) -> bool:
    """Whether the tables already are what this run would make them."""
    return (
        plan.changes_nothing
        and fitting.is_current(run, tables, fitted)
        and drawing.is_current(run, tables)
    )


def only_relabels(run: Run, tables: Tables, plan: Plan, fitted: Fitted) -> bool:
    """Whether the tables differ in labels at most from what this run would make them, which needs
    no Spark; nor does a report that is missing."""
    return (
        plan.changes_labels_only
        and fitting.is_current(run, tables, fitted)
        and fitting.is_projected(tables, fitted)
    )


def relabel(
    run: Run, tables: Tables, plan: Plan, fitted: Fitted, model: Model, identity: EmbeddingIdentity
) -> Result:
    """Change the labels, and draw the report that shows them."""
    run.log.record["counts"] |= {"embedded": 0, "errors": 0}
    if plan.n_relabelled:
        with run.step("commit", "writing the tables"):
            committed = commit(run, tables, plan, [], identity)
            tables = fitting.project(run, committed, fitted, None)
    with run.step("report", "drawing the report") as say:
        drawing.draw(run, tables, fitted.pca, model, say)
    return run.finish()


@contextmanager
def spark(run: Run, identity: EmbeddingIdentity) -> Iterator[Hands]:
    """The run's Spark; shows its address, and stops it afterwards where this run has started it.

    Interrupted, it says what is kept, once Spark has ended and nothing is added any more.
    """
    try:
        with _hands(run) as hands:
            yield hands
    except KeyboardInterrupt:
        with suppress(OrchardError):  # a bucket out of reach takes nothing from what is there
            n_kept = _n_kept(run, identity)
            run.reporter.warn(f"interrupted; {n_kept:,} images embedded so far are kept")
        raise


@contextmanager
def _hands(run: Run) -> Iterator[Hands]:
    from orchard.spark.hands import hands_of
    from orchard.spark.session import spark_session

    with ExitStack() as stack:
        with run.step("start Spark", "starting Spark"):
            hands = hands_of(stack.enter_context(spark_session(run.config)))
        run.log.record["spark_ui"] = page = hands.ui
        run.reporter.say(f"{hands.where}, UI: {page}" if page else hands.where)
        yield hands
        pid = hands.jvm_pid
        run.log.record["driver"] = {
            "jvm_peak_memory": peak_memory(pid) if pid is not None else None,
        }
        with run.step("stop Spark", "stopping Spark"):
            stack.close()


def commit(
    run: Run, tables: Tables, plan: Plan, reports: list[EmbedReport], identity: EmbeddingIdentity
) -> Committed:
    """Bring features, errors and gone up to date, and hold the counts against each other."""
    if run.config.replace or tables["features"].n_rows == 0:
        models.save_embedding(run.output, identity.fingerprint, identity.card())
    features = commits.adopted(run, plan) + [
        report.features for report in reports if report.features
    ]
    errors = [report.errors for report in reports if report.errors]
    thumbnails = [report.thumbnails for report in reports if report.thumbnails]
    unlistable = listing_errors(plan.unlistable, run.log.run_id)
    if unlistable.num_rows:
        errors.append(staging.stage(run.output, run.log.run_id, "errors", "listing", unlistable))
    n_features, n_errors = (sum(file.n_rows for file in files) for files in (features, errors))
    run.log.record["counts"] |= {"embedded": n_features, "errors": n_errors}
    if plan.n_listed != n_features + plan.n_present + n_errors + plan.n_known_errors:
        raise CountsError(
            f"the counts do not add up: {run.log.record['counts']}; nothing is written"
        )
    committed = commits.commit_tables(
        run, tables, plan, features, errors, thumbnails, unlistable["path"].combine_chunks()
    )
    tables = committed.tables
    expected = n_features + plan.n_present + plan.n_unlisted
    if (n_rows := tables["features"].n_rows) != expected:
        raise CountsError(f"features/ holds {n_rows} rows; expected {expected}")
    gone.check(tables, plan)
    if n_rows == 0:
        commits.empty_components(run, tables)
        raise TooManyErrors(
            f"all {plan.n_listed} images failed; the table {run.output.uri('errors')} says why for "
            "each"
        )
    if features or len(plan.returned):
        doubles.note(run, tables)
    return committed


def _without_erased(run: Run, listing: Listing) -> tuple[Listing, int]:
    """The listing less the images that were erased from OUTPUT, and how many they are."""
    suppression = Suppression.load(run.output)
    if not suppression.hashes:
        return listing, 0
    failing = [path for path, _ in listing.failures]
    left = replace(
        listing,
        images=listing.images.filter(suppression.allowed(listing.images["path"].to_pylist())),
        failures=tuple(compress(listing.failures, suppression.allowed(failing).to_pylist())),
    )
    return left, listing.n_listed - left.n_listed


def _staged_keys(run: Run, identity: EmbeddingIdentity) -> Iterator[tuple[str, pa.Table]]:
    """Feature files that no run committed, of this fingerprint."""
    for path in staging.staged(run.output, "features"):
        try:
            columns = [*KEY, "label", "fingerprint", *run.config.keep_columns]
            rows = contents.read_file(run.output, path, columns)
            staging.describe(run.output, path)
        except DamagedError:  # embedded again, and deleted with all that no run adopts
            continue
        if set(rows["fingerprint"].to_pylist()) == {identity.fingerprint}:
            yield path, rows


def _n_kept(run: Run, identity: EmbeddingIdentity) -> int:
    """Images whose features the next run finds: committed by this run, or staged to be adopted."""
    if Tables(run.output)["features"].facts.get("orchard.run_id") == run.log.run_id:
        return int(run.log.record["counts"]["embedded"])
    staged = (rows["path"].to_pylist() for _, rows in _staged_keys(run, identity))
    return len({path for paths in staged for path in paths})
