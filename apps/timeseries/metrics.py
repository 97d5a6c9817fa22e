"""What timeseries counts."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


class Metrics:
    """The counters; read = written + skipped + dead-lettered + in the batch at hand."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """`registry`: one of its own in tests."""
        self.read = Counter("timeseries_records_read", "records read from Kafka", ["topic"], registry=registry)
        self.written = Counter("timeseries_points_written", "points written", ["database"], registry=registry)
        self.skipped = Counter(
            "timeseries_records_skipped", "records of kinds without a series, or summarised only", ["topic"], registry=registry
        )
        self.batches = Counter("timeseries_batches", "batches stored and committed", registry=registry)
        self.partial = Counter("timeseries_partial_writes", "writes of which InfluxDB refused some lines", registry=registry)
        self.dead_lettered = Counter("timeseries_dead_lettered", "records in the dead-letter topic", registry=registry)
        self.renewals = Counter("timeseries_topics_renewed", "times that a topic was found made anew", registry=registry)
        self.missed = Counter("timeseries_records_missed", "records that Kafka deleted before they were read", registry=registry)
        self.waits = Counter("timeseries_waits", "times that a batch had to wait for InfluxDB or Kafka", registry=registry)
        self.lag = Gauge("timeseries_lag_records", "records in Kafka that are not yet read", ["topic"], registry=registry)
        self.latency = Histogram(
            "timeseries_latency_seconds", "from arrival at the bridge to the write", buckets=_BUCKETS_S, registry=registry
        )
