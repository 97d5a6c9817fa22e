"""What process_worker counts."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter


class Metrics:
    """The counters; fetched = completed + failed + postponed + unlocked + at hand."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """`registry`: one of its own in tests."""
        self.fetched = Counter("process_worker_fetched", "tasks taken", ["topic"], registry=registry)
        self.completed = Counter("process_worker_completed", "tasks done", ["topic"], registry=registry)
        self.failed = Counter("process_worker_failed", "tasks that cannot be done as they are", ["topic"], registry=registry)
        self.postponed = Counter("process_worker_postponed", "tasks given back while Kafka is away", ["topic"], registry=registry)
        self.waits = Counter("process_worker_waits", "times that Camunda was away", registry=registry)
