"""What the fleet counts."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge


class Metrics:
    """The counters; of cars, sent = acknowledged + on the way + kept without a connection; boards and fans keep nothing."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """`registry`: one of its own in tests."""
        self.sent = Counter("fleet_sent", "readings handed to MQTT", registry=registry)
        self.acked = Counter("fleet_acked", "readings the broker acknowledged (QoS 0: handed to the socket)", registry=registry)
        self.dropped = Counter("fleet_dropped", "readings thrown away, no connection and no room", registry=registry)
        self.connects = Counter(
            "fleet_connects", "accepted connections; all but the first of each device are reconnects", registry=registry
        )
        self.refused = Counter("fleet_refused_connects", "connections that failed or were refused", registry=registry)
        self.connected = Gauge("fleet_connected", "devices that are connected", registry=registry)
        self.devices = Gauge("fleet_devices", "devices of this fleet", ["kind"], registry=registry)
