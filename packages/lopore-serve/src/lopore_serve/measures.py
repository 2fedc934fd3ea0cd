"""Prometheus metrics of the service."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Measures:
    """Counters of one service; a registry of its own, so that two services in a process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        here = self.registry
        self._requests = Counter("lopore_requests", "Requests by route and status", ("route", "status"), registry=here)
        self._seconds = Histogram(
            "lopore_request_seconds", "Time of a request", ("route",), buckets=_SECONDS, registry=here
        )
        self._images = Counter("lopore_images", "Images answered", ("model",), registry=here)
        self._batches = Counter("lopore_batches", "Batches run", ("model",), registry=here)
        self._run = Histogram("lopore_batch_seconds", "Time of a batch", ("model",), buckets=_SECONDS, registry=here)
        self._wait = Histogram(
            "lopore_wait_seconds", "Wait of a batch's first image", ("model",), buckets=_SECONDS, registry=here
        )
        self._waiting = Gauge("lopore_waiting_images", "Images that wait", ("model",), registry=here)
        self._films = Counter("lopore_films", "Films by how their job ended", ("state",), registry=here)

    def request(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answered(self, model: str, images: int, seconds: float, waited: float) -> None:
        """A batch was answered."""
        self._images.labels(model).inc(images)
        self._batches.labels(model).inc()
        self._run.labels(model).observe(seconds)
        self._wait.labels(model).observe(waited)

    def waiting(self, model: str, images: int) -> None:
        """So many images wait for a model."""
        self._waiting.labels(model).set(images)

    def film(self, state: str) -> None:
        """A film's job ended."""
        self._films.labels(state).inc()

    def text(self) -> bytes:
        """All metrics in Prometheus' text form."""
        return generate_latest(self.registry)
