"""The step in which the workers embed: progress, too many errors, and what it took."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from orchard.embedding.fingerprint import EmbeddingIdentity
from orchard.errors import OrchardError, TooManyErrors
from orchard.images.reading import Reading
from orchard.images.thumbnail import share
from orchard.machine import available_cores
from orchard.model import Model
from orchard.pipeline.planning import Plan, cut
from orchard.pipeline.state import Run

if TYPE_CHECKING:
    from orchard.spark.hands import Hands
    from orchard.spark.passes import EmbedReport


def embed(
    run: Run, hands: Hands, plan: Plan, model: Model, identity: EmbeddingIdentity
) -> list[EmbedReport]:
    """Embed the plan's images; progress is shown, and too many errors stop it."""
    from orchard.spark.passes import EmbedJob, ModelSource

    sent = hands.send(model.onnx) if run.config.broadcast else None
    source = ModelSource.of(identity.fingerprint, sent, run.config.weights, model)
    job = EmbedJob(
        hands,
        source,
        run.output,
        cut(plan.in_reading_order, hands.slots),
        fingerprint=identity.fingerprint,
        run_id=run.log.run_id,
        reading=Reading.of(run.config),
        pictured=share(plan.n_listed + plan.n_unlisted) if run.config.thumbnails else None,
    )
    allowed = run.config.allowed_errors(plan.n_listed)

    def check(errors: int) -> None:
        if errors > allowed:
            job.cancel()

    started = time.perf_counter()
    try:
        with run.reporter.track(plan.images.num_rows, lambda: job.done, check):
            reports = job.run()
    except OrchardError:
        _check_errors(plan, job.reasons, allowed)
        raise
    _check_errors(plan, job.reasons, allowed)
    wall = time.perf_counter() - started
    run.log.record["embedding"] = _describe(reports, wall, len(model.onnx) if sent else 0)
    run.log.record["errors_by_reason"] = dict(job.reasons + _unlistable_reasons(plan))
    return reports


def _check_errors(plan: Plan, reasons: Counter[str], allowed: int) -> None:
    reasons = reasons + _unlistable_reasons(plan)
    failed = reasons.total() + plan.n_known_errors
    if failed > allowed:
        raise TooManyErrors(
            f"{failed} of {plan.n_listed} images failed, more than the {allowed} that --max-errors "
            f"allows: {_by_reason(reasons)}. Look at them, or allow more"
        )


def _unlistable_reasons(plan: Plan) -> Counter[str]:
    return Counter(failure.reason.value for _, failure in plan.unlistable)


def _by_reason(reasons: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))


def _describe(reports: list[EmbedReport], wall: float, broadcast_bytes: int) -> dict[str, Any]:
    seconds: Counter[str] = Counter()
    for report in reports:
        seconds.update(report.seconds)
    workers = {(report.worker.host, report.worker.pid) for report in reports}
    n_images = sum(report.n_images for report in reports)
    return {
        "images": n_images,
        "images_per_second": round(n_images / wall, 1),
        "tasks": len(reports),
        "worker_processes": len(workers),
        "driver_cores": available_cores(),
        "worker_peak_memory": max((r.worker.peak_memory for r in reports), default=0),
        "worker_seconds": {name: round(value, 3) for name, value in seconds.items()},
        "model_loads": sum(report.load_seconds > 0 for report in reports),
        "model_load_seconds": round(sum(report.load_seconds for report in reports), 3),
        "broadcast_bytes": broadcast_bytes,
    }
