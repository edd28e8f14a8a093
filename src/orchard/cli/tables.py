"""The end of a run on one screen: what was read and what became of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.table import Table

from orchard.model.registry import Card
from orchard.printable import printable
from orchard.report.wording import Number, megabytes, seconds
from orchard.result import Result
from orchard.result.compare import Comparison

_GROUPED = "{:,}".format


def tables_of(result: Result) -> Iterable[Table | str]:
    """Tables and lines for a terminal, from a run's record."""
    record = result.record
    if "estimate" in record:
        yield from _plan(record)
        return
    yield _counts(record)
    if record.get("errors_by_reason"):
        yield _rows("errors by reason", sorted(record["errors_by_reason"].items()))
    if "pca" in record:
        yield _reduction(record["pca"])
    yield _time(record)
    yield from (_doubles(found, result.output) for found in record.get("doubles", ()))
    if found := record.get("findings"):
        yield _rows("findings", sorted(found.items()))
    if "report" in record:
        yield f"Report: {result.output}/{record['report']['path']}"
    if record["model"]["notice"]:
        yield f"Note: {record['model']['notice']}"


def _plan(record: dict[str, Any]) -> Iterable[Table | str]:
    counts, estimate = record["counts"], record["estimate"]
    yield _rows("dry run: nothing is written", _planned(counts))
    if not estimate["n_timed"]:
        yield "Nothing is left to embed."
        return
    slots = estimate["slots"]
    where = (
        f"{slots} local slots (images processed at once)"
        if slots
        else "one slot (an image at a time); divide by the cluster's slots"
    )
    yield (
        f"Expected: about {estimate['seconds']:,.0f} s on {where}, from timing "
        f"{estimate['n_timed']} of the images at {estimate['images_per_second']:,.0f} images/s per "
        f"slot; up to {_shown(megabytes(estimate['features_bytes']))} of features."
    )


def _planned(counts: dict[str, int]) -> list[tuple[str, int]]:
    """What a run would do, in words; the rows down to `listed` add up to it, others that are zero
    are left out."""
    adopted = counts["adopted"]
    to_embed = counts["new"] + counts["changed"] + counts["retried"]
    rows = [
        ("to embed", to_embed - adopted),
        ("already there, unchanged", counts["already_there"]),
        ("failed before, not tried again", counts["known_errors"]),
    ]
    if adopted:
        rows.insert(1, ("embedded by an interrupted run, to be taken over (adopted)", adopted))
    unlisted = counts["listed"] - sum(count for _, count in rows)
    if unlisted:
        rows.append(("cannot be listed, to be recorded as errors", unlisted))
    rows.append(("listed in SOURCE", counts["listed"]))
    optional = [
        ("of these, new", counts["new"]),
        ("of these, changed since", counts["changed"]),
        ("of these, failed before, to be tried again (retried)", counts["retried"]),
        *_moved(counts, "missing from SOURCE, to be moved to gone/"),
    ]
    return rows + [(name, count) for name, count in optional if count]


def _moved(counts: dict[str, int], went: str) -> list[tuple[str, int]]:
    return [
        ("of these, back from gone/", counts["returned"]),
        ("under another label or column than before", counts["relabelled"]),
        (went, counts["went"]),
        ("in gone/ (features of images missing from SOURCE)", counts["gone"]),
        ("erased before, so left out (suppressed)", counts["suppressed"]),
        ("left out by --exclude-from", counts.get("excluded", 0)),
    ]


def _counts(record: dict[str, Any]) -> Table:
    """What was listed and became of it; the rows down to `listed` add up to it."""
    counts = record["counts"]
    adopted = counts.get("adopted", 0)
    rows = [
        ("embedded now", counts.get("embedded", 0) - adopted),
        *([("embedded by an interrupted run, taken over", adopted)] if adopted else []),
        ("already there", counts["already_there"]),
        ("errors", counts.get("errors", 0) + counts["known_errors"]),
        ("listed", counts["listed"]),
        ("of these, new", counts["new"]),
        ("of these, changed", counts["changed"]),
        ("of these, failed before and tried again", counts["retried"]),
    ]
    moved = _moved(counts, "missing from SOURCE, now in gone/")
    return _rows("images", rows + [(name, count) for name, count in moved if count])


def _doubles(found: dict[str, Any], output: str) -> str:
    one, other = found["folders"]
    said = f"Found twice: {found['n_images']:,} images, below {one} and below {other}."
    if found["spare"] is None:
        return f"{said} Neither folder holds only those: look at them before you erase either."
    prefix = shlex.quote(f"{found['spare']}/")
    return f"{said} To keep one: orchard erase {shlex.quote(output)} --prefix {prefix}"


def _reduction(pca: dict[str, Any]) -> Table:
    shares = ", ".join(f"{float(s):.0%}: {k}" for s, k in pca["components_for"].items())
    return _rows(
        "reduction",
        [
            ("features", pca["n_features"]),
            ("components kept", pca["n_components"]),
            ("variance kept", f"{pca['variance_kept']:.2%}"),
            ("components for a share", shares),
        ],
    )


def _time(record: dict[str, Any]) -> Table:
    """Seconds by stage. The report, which ends before it is written, shows the sum before it."""
    spent = dict(record["seconds"])
    after = {name: spent.pop(name) for name in ("report", "total") if name in spent}
    if "report" in after:
        spent["before the report"] = sum(spent.values())
    rows = [(stage, _shown(seconds(value))) for stage, value in (spent | after).items()]
    if "embedding" in record and record["embedding"]["images"]:
        embedding = record["embedding"]
        rows += [
            ("embedding", _rate(embedding)),
            (
                "model loads",
                f"{embedding['model_loads']} in {embedding['worker_processes']} workers",
            ),
            ("broadcast", _shown(megabytes(embedding["broadcast_bytes"]))),
            ("peak memory of a worker", _shown(megabytes(embedding["worker_peak_memory"]))),
        ]
    return _rows("time", rows)


def _rate(embedding: dict[str, Any]) -> str:
    return f"{embedding['images_per_second']:,.0f} images/s, over {embedding['images']:,} images"


def _shown(value: Number) -> str:
    """As the report writes it, with a space that every terminal has."""
    return value.shown("en").replace("\u00a0", " ")


def _rows(title: str, rows: Iterable[tuple[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, min_width=44)
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows:
        shown = _GROUPED(value) if isinstance(value, int) else str(value)
        table.add_row(name.replace("_", " "), shown)
    return table


def comparison_table(found: Comparison) -> Table:
    """`orchard compare` as a table: what was compared, the figures, the tolerances."""
    table = Table(title="A against B", title_justify="left")
    for name in ("", "found", "allowed"):
        table.add_column(name, justify="left" if not name else "right")

    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:.3g}"

    rows = [
        ("images in both", f"{found.n_both:,}", ""),
        ("images in A only", f"{found.n_only_a:,}", "0"),
        ("images in B only", f"{found.n_only_b:,}", "0"),
        ("errors", "same" if found.errors_equal else "differ", "same"),
        (
            "largest feature difference",
            shown(found.feature_difference),
            shown(found.tolerance),
        ),
        ("components", " / ".join(map(str, found.n_components)), "same"),
        (
            "largest component difference, in standard deviations, up to sign",
            shown(found.component_difference),
            shown(found.component_tolerance),
        ),
        ("largest relative difference of variances", shown(found.variance_difference), ""),
    ]
    for row in rows:
        table.add_row(*row)
    return table


def differing_images(found: Comparison) -> Iterable[str]:
    """The images that are not the same in A and in B, by name: the first of each kind."""
    for title, paths, n in (
        ("in A only", found.only_a, found.n_only_a),
        ("in B only", found.only_b, found.n_only_b),
        ("failed in one only, or for another reason", found.unlike_errors, None),
        (
            "features differ by more than allowed",
            [f"{path}  ({difference:.3g})" for path, difference in found.unlike],
            found.n_unlike,
        ),
    ):
        if not paths:
            continue
        yield f"{title}:"
        yield from (f"  {path}" for path in paths)
        if n is not None and n > len(paths):
            yield f"  and {n - len(paths):,} more"


def findings_table(rows: pa.Table, kinds: Iterable[str]) -> Table:
    """How many findings of each kind there are; of duplicates, how many in how many groups."""
    table = Table(title="findings", title_justify="left")
    for name in ("kind", "found", "of which to leave out", "the first"):
        table.add_column(
            name, justify="right" if name in ("found", "of which to leave out") else "left"
        )
    for kind in kinds:
        of_kind = rows.filter(pc.equal(rows["kind"], kind))
        spare = pc.sum(pc.equal(of_kind["keep"], False)).as_py()
        shown = next(iter(of_kind.slice(0, 1).to_pylist()), None)
        table.add_row(kind, f"{len(of_kind):,}", f"{spare:,}" if spare else "", _first(shown))
    return table


def _first(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    name = (row["path"] or "").rpartition("/")[2]
    labels = f"{row['label']} → {row['suggested_label']}" if row["suggested_label"] else ""
    return printable("  ".join(part for part in (name, labels) if part))


def models_table(cards: Iterable[Card]) -> Table:
    """`orchard models` as a table."""
    table = Table(title="models", title_justify="left")
    for name in ("name", "what", "vector", "size", "licence"):
        table.add_column(name)
    for card in cards:
        table.add_row(card.name, card.summary, str(card.dim), str(card.default_size), card.licence)
    return table


def trained_table(metrics: dict[str, Any]) -> Table:
    """`orchard train` as a table: what both splits say, and what "not sure" does."""
    table = Table(title="held-out images", title_justify="left")
    for name in ("split", "labels", "images", "classes", "top-1", "top-5", "macro F1", "ECE"):
        table.add_column(name, justify="left" if name in ("split", "labels") else "right")
    for split in ("honest", "naive"):
        for labels in ("fine", "species"):
            if found := metrics[split][labels]:
                shares = [f"{found[key]:.3f}" for key in ("top1", "top5", "macro_f1", "ece")]
                counts = [f"{found[key]:,}" for key in ("n", "n_classes")]
                table.add_row(split, labels, *counts, *shares)
    return table
