"""What Prometheus reads: counts and times, nothing of a person."""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from orchard.web.pool import Pool

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """A registry of its own, so that two servers in one process do not share counts."""

    def __init__(self, pool: Pool) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter(
            "orchard_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self.request_seconds = Histogram(
            "orchard_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.answers = Counter(
            "orchard_answers", "Images identified.", ("answer",), registry=self._registry
        )
        self.step_seconds = Histogram(
            "orchard_step_seconds",
            "Of one image: wait, decode, network, answer.",
            ("step",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.refused = Counter(
            "orchard_connections_refused",
            "Connections that found no place.",
            registry=self._registry,
        )
        inside = Gauge(
            "orchard_images_inside",
            "Images that are worked on or wait for it.",
            registry=self._registry,
        )
        inside.set_function(lambda: pool.n_inside)

    def identified(self, answer: str, seconds: dict[str, float]) -> None:
        self.answers.labels(answer).inc()
        for step, value in seconds.items():
            self.step_seconds.labels(step).observe(value)

    def text(self) -> bytes:
        return bytes(generate_latest(self._registry))
