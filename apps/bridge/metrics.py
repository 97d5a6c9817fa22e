"""What the bridge counts, by batches: a counter of prometheus_client costs 1 us a step, a message all in all about 10."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from bridge.window import Message

_BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
NO_ROUTE: Final = "none"


class Latency(Collector):
    """A histogram that takes many equal times at once, which prometheus_client's own cannot."""

    def __init__(self, name: str, told: str) -> None:
        """`told` is its documentation."""
        self._name, self._told = name, told
        self._counts = [0] * (len(_BUCKETS_S) + 1)
        self._sum_s = 0.0

    def observe(self, time_s: float, count: int) -> None:
        """So many messages took so long."""
        self._counts[bisect_left(_BUCKETS_S, time_s)] += count
        self._sum_s += time_s * count

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The buckets as they are now."""
        limits = [*(str(limit) for limit in _BUCKETS_S), "+Inf"]
        found = HistogramMetricFamily(self._name, self._told)
        found.add_metric([], list(zip(limits, accumulate(self._counts), strict=True)), self._sum_s)
        yield found


class Metrics:
    """The bridge's counters; received = delivered + dead-lettered + in flight, counted per copy."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """`registry`: one of its own in tests."""
        self.received = Counter(
            "bridge_received", "MQTT messages received, by the Kafka topic of their route", ["topic", "qos"], registry=registry
        )
        self.redelivered = Counter("bridge_redelivered", "of these flagged DUP by the broker", registry=registry)
        self.delivered = Counter(
            "bridge_delivered", "messages that Kafka has confirmed on their topic", ["topic"], registry=registry
        )
        self.dead_lettered = Counter(
            "bridge_dead_lettered", "messages that Kafka has confirmed as dead letters", registry=registry
        )
        self.acknowledged = Counter("bridge_acknowledged", "PUBACKs sent", registry=registry)
        self.retried = Counter("bridge_retried", "messages offered to Kafka again after an error", registry=registry)
        self.producers_replaced = Counter(
            "bridge_producers_replaced", "producers given up after a fatal error", registry=registry
        )
        self.connects = Counter(
            "bridge_mqtt_connects", "accepted MQTT connections; all but the first to a broker are reconnects", registry=registry
        )
        self.in_flight = Gauge("bridge_in_flight", "messages received and not yet saved in order", registry=registry)
        self.latency = Latency("bridge_latency_seconds", "from arrival to Kafka's confirmation")
        registry.register(self.latency)
        self._last_ack_s = time.monotonic()
        silent = Gauge("bridge_seconds_since_last_ack", "since Kafka's last confirmation", registry=registry)
        silent.set_function(lambda: time.monotonic() - self._last_ack_s)

    def came(self, messages: Sequence[Message], duplicates: int) -> None:
        """Messages were received, `duplicates` of them flagged DUP."""
        for qos in (0, 1):
            for topic, count in Tally([each.way.kafka for each in messages if (each.mid > 0) == qos]).items():
                self.received.labels(topic or NO_ROUTE, str(qos)).inc(count)
        if duplicates:
            self.redelivered.inc(duplicates)

    def saved(self, messages: Sequence[Message], now_s: float) -> None:
        """Kafka has confirmed messages."""
        self._last_ack_s = time.monotonic()
        for arrival_s, count in Tally([each.batch.arrival_s for each in messages]).items():
            self.latency.observe(now_s - arrival_s, count)
        for topic, count in Tally([None if each.reason else each.way.kafka for each in messages]).items():
            (self.delivered.labels(topic) if topic else self.dead_lettered).inc(count)
