"""The processing record of a result: what is processed, why, where, how long, and who can erase.

The fields are those of Article 30(1) of the GDPR. What Orchard can see it fills in, from the result
and, for a bucket, from the bucket's own settings; what only the controller knows it asks for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

import pyarrow.compute as pc

from orchard.store import accepted, contents, contributions, runs
from orchard.store.erase import AUDIT
from orchard.store.galleries import CLASSIFIERS
from orchard.store.output import Output
from orchard.store.suppression import Suppression
from orchard.store.tables import Tables

RECORD = "privacy/processing_record.json"
UNKNOWN = "not stated"


@dataclass(frozen=True, slots=True)
class Statement:
    """What only the controller knows."""

    controller: str = UNKNOWN
    contact: str = UNKNOWN
    purpose: str = "features of images, for classifying and searching them"
    legal_basis: str = UNKNOWN
    retention: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class ProcessingRecord:
    """Plain JSON data; `place` and `safeguards` are as found when it was made."""

    made: str
    statement: Statement
    sources: list[str]
    images: int
    failed: int
    erased: int
    first_run: str
    last_run: str
    stored: dict[str, str]
    place: dict[str, Any]
    erasure: dict[str, str]
    recipients: str = "none: Orchard sends nothing to anybody; the storage's operator processes"
    asked_about: str = (
        "photos that people ask the page about are identified in their own browsers, and not sent; "
        "`orchard serve` receives one only if a person chooses to send it, holds it in memory and "
        "drops it with the answer, or keeps it where the person gives it to improve the classifier"
    )


def record(output: Output, statement: Statement, place: dict[str, Any]) -> ProcessingRecord:
    """The record of a result, also stored in it. Raises TableError where there is none."""
    tables = Tables(output)
    kept = [path for path in output.paths("runs") if path.endswith(".json")]
    records = [runs.read(output, path) for path in kept]
    started = sorted(run["started"] for run in records)
    given = (run.get("sources") or run["config"]["sources"] for run in records)
    made = ProcessingRecord(
        made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        statement=statement,
        sources=sorted({source for sources in given for source in sources}),
        images=tables["features"].n_rows,
        failed=tables["errors"].n_rows,
        erased=len(Suppression.load(output).hashes),
        first_run=started[0] if started else UNKNOWN,
        last_run=started[-1] if started else UNKNOWN,
        stored=_stored(tables),
        place=place,
        erasure={
            "how": f"orchard erase {output.root} --path PATH (or --prefix, --from-file)",
            "who": "whoever may write to the place named above",
            "effect": "rows leave all tables and the galleries of classifiers, their files are "
            "deleted, reports and exports too; the image stays away",
            "contributions": f"orchard erase {output.root} --contribution CODE; without that on "
            "the day that was named to the person; with what they said of it, what was decided and "
            "what runs have read of it",
            "images": "Orchard does not delete the images themselves; they lie in the sources",
            "proof": f"{output.uri(AUDIT)} tells when and how many, not whose",
        },
    )
    output.put_json(RECORD, asdict(made))
    return made


def _stored(tables: Tables) -> dict[str, str]:
    columns = {
        "features": "path, label, size, time, ETag, SHA-256, width, height and quality of each "
        f"image, and {_n_features(tables)} numbers from which a likeness of it can be guessed",
        "components": "path, label and fewer such numbers",
        "errors": "path, label, size and what was wrong",
        "gone": "the same as in features, of images that went from their source",
        "models": "means, scales and components over all images; one image is a share of them",
        "runs": "settings, counts, times and versions of each run",
    }
    if kept := tables["features"].kept:
        columns["kept columns"] = (
            f"{', '.join(kept)}: what the manifest or the file of labels says of each image, in "
            "features, components, errors and gone"
        )
    columns |= _pictures(tables)
    labels = tables.read("features", ["label"])["label"]
    columns["labels"] = f"{len(pc.unique(labels)):,} different ones"
    return columns


def _pictures(tables: Tables) -> dict[str, str]:
    """What else may show people, where it is there."""
    output, found = tables.output, {}
    if n := tables["thumbnails"].n_rows:
        found["thumbnails"] = f"small pictures of {n:,} images, with path and SHA-256"
    if output.paths("findings"):
        found["findings"] = "path and label of images, and what seems wrong with each"
    if output.paths("report"):
        found["report"] = "thumbnails, path and label of images, and where they lie on a map"
    if galleries := [p for p in output.paths(CLASSIFIERS) if p.endswith("/gallery.parquet")]:
        found["classifiers"] = (
            f"{len(galleries)}: path, label and numbers of the known images of each, which answers "
            "name and `orchard serve` shows"
        )
    if names := contributions.kept(output):
        found["contributions"] = (
            f"{len(names):,} images that people gave, each under a code, what it was taken for, "
            "what they said it is, a mark that images of one browser share, what was decided when "
            "somebody looked at it, and until when it is kept"
        )
    if photos := output.paths(accepted.FOLDER):
        found["accepted"] = (
            f"{len(photos):,} of these images, accepted for training; what runs have read of them "
            "is in the tables"
        )
    return found


def _n_features(tables: Tables) -> str:
    """How many numbers the network gives of an image."""
    for file in tables["features"].files:
        for batch in contents.iter_batches(tables.output, file.path, ["features"], 1):
            return f"{len(batch['features'][0]):,}"
    return "some"


def lines(made: ProcessingRecord) -> Iterable[str]:
    """The record as text."""
    for name, value in asdict(made).items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
        yield f"{name.replace('_', ' ')}: {shown}"
