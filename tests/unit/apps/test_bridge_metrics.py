"""What the bridge counts: by batches, and every copy of a message once."""

from __future__ import annotations

import pytest
from bridge.metrics import Metrics
from bridge.routes import Destination, Way
from bridge.window import Batch, Message
from prometheus_client import CollectorRegistry

CAR, NOWHERE = Way("cars/car1", Destination("data", "car1", "car1"), "edge"), Way("x", None, "edge")


def test_messages_are_counted_by_topic_and_by_how_long_they_took() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    early, late = Batch(None, 1, 0, 10.0), Batch(None, 1, 0, 12.0)
    good = [Message(early, 1, CAR, b""), Message(late, 2, CAR, b""), Message(late, 0, CAR, b"")]
    refused, unknown = Message(late, 3, CAR, b""), Message(late, 4, NOWHERE, b"")
    refused.reason = "too large"
    metrics.came([*good, refused, unknown], duplicates=2)
    metrics.saved(good, 12.015)
    metrics.saved([refused, unknown], 12.4)

    def told(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert [told("bridge_received_total", topic="data", qos=qos) for qos in ("0", "1")] == [1, 3]
    assert told("bridge_received_total", topic="none", qos="1") == 1
    assert told("bridge_redelivered_total") == 2
    assert (told("bridge_delivered_total", topic="data"), told("bridge_dead_lettered_total")) == (3, 2)
    buckets = [told("bridge_latency_seconds_bucket", le=limit) for limit in ("0.01", "0.02", "0.5", "2.0", "5.0", "+Inf")]
    assert buckets == [0, 2, 4, 4, 5, 5]
    assert told("bridge_latency_seconds_count") == 5
    assert told("bridge_latency_seconds_sum") == pytest.approx(2 * 0.015 + 2.015 + 2 * 0.4)
