"""What the bridge counts."""

from __future__ import annotations

import time

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from bridge.window import Message

_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
NO_ROUTE = "none"


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
            "bridge_mqtt_connects", "accepted MQTT connections; all but the first are reconnects", registry=registry
        )
        self.in_flight = Gauge("bridge_in_flight", "messages received and not yet saved in order", registry=registry)
        self.latency = Histogram(
            "bridge_latency_seconds", "from arrival to Kafka's confirmation", buckets=_BUCKETS_S, registry=registry
        )
        self._last_ack_s = time.monotonic()
        silent = Gauge("bridge_seconds_since_last_ack", "since Kafka's last confirmation", registry=registry)
        silent.set_function(lambda: time.monotonic() - self._last_ack_s)

    def came(self, message: Message, *, duplicate: bool) -> None:
        """A message was received."""
        topic = message.destination.kafka if message.destination else NO_ROUTE
        self.received.labels(topic, str(message.qos)).inc()
        if duplicate:
            self.redelivered.inc()

    def saved(self, message: Message, now_s: float) -> None:
        """Kafka has confirmed a message."""
        self._last_ack_s = time.monotonic()
        self.latency.observe(now_s - message.arrival_s)
        if message.reason is None and message.destination is not None:
            self.delivered.labels(message.destination.kafka).inc()
        else:
            self.dead_lettered.inc()
