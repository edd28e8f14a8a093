"""Tables and the last run's record → what the page says, as plain values."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchard.config import RunConfig
from orchard.reduction import PCA, SHARES, components_for, n_shown
from orchard.report.points import Images
from orchard.store.models import PCACard
from orchard.store.tables import Tables

ERROR_EXAMPLES = 6  # of each reason
DUPLICATE_GROUPS = 2000  # that a page lists: more would make a file of many megabytes


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Images whose bytes are equal. groups: rows of the largest sets, the largest first,
    DUPLICATE_GROUPS at most."""

    n_groups: int
    n_images: int
    groups: tuple[tuple[int, ...], ...]


def counts(record: dict[str, Any]) -> dict[str, Any]:
    """What the last run listed and what became of it; `closes`: the parts add up to `listed`.

    adopted: embedded by a run that was interrupted, so at another time than the last run tells.
    """
    found = record.get("counts", {})
    adopted = found.get("adopted", 0)
    parts = {
        "embedded": found.get("embedded", 0) - adopted,
        "adopted": adopted,
        "already_there": found.get("already_there", 0),
        "errors": found.get("errors", 0) + found.get("known_errors", 0),
    }
    listed = found.get("listed", 0)
    rest = {name: found.get(name, 0) for name in ("gone", "suppressed")}
    return {
        "listed": listed,
        "parts": parts,
        "closes": bool(found) and sum(parts.values()) == listed,
        **rest,
    }


def errors(tables: Tables) -> tuple[list[dict[str, Any]], pa.Table]:
    """By reason, the most frequent first: count and examples; and the examples' rows."""
    rows = tables.read("errors")
    reasons = Counter(rows["reason"].to_pylist())
    found, examples = [], []
    for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        of_reason = rows.filter(pc.equal(rows["reason"], reason)).slice(0, ERROR_EXAMPLES)
        examples.append(of_reason)
        shown = of_reason.select(["path", "detail", "size"]).to_pylist()
        found.append({"reason": reason, "count": count, "examples": shown})
    return found, pa.concat_tables([rows.slice(0, 0), *examples])


def exact_duplicates(images: Images) -> Duplicates:
    """Sets of images with one SHA-256."""
    digests = images.rows["sha256"].combine_chunks().dictionary_encode().indices.to_numpy()
    n_of = np.bincount(digests)
    repeated = np.flatnonzero(n_of > 1)
    largest = repeated[np.argsort(-n_of[repeated], kind="stable")][:DUPLICATE_GROUPS]
    rows, first = np.argsort(digests, kind="stable"), np.cumsum(n_of) - n_of
    groups = tuple(tuple(rows[first[d] : first[d] + n_of[d]].tolist()) for d in largest)
    return Duplicates(len(repeated), int(n_of[repeated].sum()), groups)


def variance(pca: PCA) -> dict[str, Any]:
    """The spectrum as far as it is drawn, and k for each share."""
    ratio = pca.explained_variance_ratio
    cumulative = np.cumsum(ratio)
    shown = n_shown(pca)
    return {
        "ratio": [round(float(value), 6) for value in ratio[:shown]],
        "cumulative": [round(float(value), 5) for value in cumulative[:shown]],
        "k": pca.n_components,
        "kept": float(cumulative[pca.n_components - 1]),
        "shares": [
            {"share": share, "k": components_for(pca.explained_variance, share)} for share in SHARES
        ],
    }


def times(record: dict[str, Any]) -> dict[str, Any]:
    """Seconds by step, and what embedding took; the report itself is not over yet in a run.

    The same figures as `orchard run` prints above "before the report".
    """
    seconds = record.get("seconds", {})
    steps = {name: value for name, value in seconds.items() if name not in ("total", "report")}
    embedding = record.get("embedding") or {}
    return {
        "steps": steps,
        "total": sum(steps.values()),
        "embedding": embedding if embedding.get("images") else None,
    }


def provenance(record: dict[str, Any], card: PCACard) -> dict[str, Any]:
    """What the result was computed with, and the command that computes it again."""
    model = record.get("model", {})
    return {
        "run_id": record.get("run_id", ""),
        "started": record.get("started", ""),
        "fingerprint": card.fingerprint,
        "pca_id": card.pca_id,
        "model": model,
        "standardize": card.standardize,
        "requested": card.requested,
        "notice": card.notice,
        "versions": record.get("versions", {}),
        "command": command(record.get("config", {})),
    }


def command(config: dict[str, Any]) -> str:
    """`orchard run` with the options that are not their defaults."""
    defaults = {field.name: field.default for field in fields(RunConfig)}
    words = ["orchard", "run", *config.get("sources", ()), config.get("output", "OUTPUT")]
    for name, value in config.items():
        default = defaults.get(name)
        if name in ("sources", "output", "replace", "retry_errors") or name not in defaults:
            continue
        if value == default or (isinstance(value, list) and tuple(value) == default):
            continue
        words += _option(name, value)
    return " ".join(shlex.quote(str(word)) for word in words)


def _option(name: str, value: Any) -> list[str]:
    if name == "standardize":
        return ["--no-standardize"]
    option = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [option if value else f"--no-{name.replace('_', '-')}"]
    if isinstance(value, list):
        return [word for item in value for word in (option, str(item))]
    return [option, str(value)]
