"""The standing canary: a flight every interval, its findings as metrics."""

from __future__ import annotations

import logging
import threading
import time

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge
from runtime.status import Heartbeat

from canary.flight import fly
from canary.logins import Logins
from canary.report import Check, Hop, Report, why
from canary.settings import CanarySettings

log = logging.getLogger(__name__)


class Metrics:
    """What the flights found."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """`registry`: one of its own in tests."""
        self.runs = Counter("canary_runs", "readings sent", registry=registry)
        self.failures = Counter("canary_failures", "hops and checks found red", ["name"], registry=registry)
        self.ok = Gauge("canary_ok", "1 if the last flight passed here", ["name"], registry=registry)
        self.latency = Gauge("canary_hop_latency_seconds", "of the last flight", ["hop"], registry=registry)

    def record(self, report: Report) -> None:
        """Count one flight."""
        self.runs.inc()
        found: list[Hop | Check] = [*report.hops, *report.checks]
        for each in found:
            self.ok.labels(each.name).set(each.ok)
            self.failures.labels(each.name).inc(not each.ok)
        for hop in report.hops:
            self.latency.labels(hop.name).set(float("nan") if hop.latency_ms is None else hop.latency_ms / 1000)


def _tell(report: Report) -> None:
    for hop in report.hops:
        if not hop.ok:
            log.error("%s -> %s is red: %s", hop.origin, hop.target, why(hop))
    for check in report.checks:
        if not check.ok:
            log.error("%s: no: %s", check.name, check.error)


def serve(settings: CanarySettings, who: Logins, metrics: Metrics, heartbeat: Heartbeat, stop: threading.Event) -> None:
    """Fly every interval until `stop`."""
    next_s = time.monotonic()
    while not stop.is_set():
        heartbeat.beat()
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + settings.interval_s
            report = fly(settings, who)
            metrics.record(report)
            _tell(report)
        stop.wait(1.0)
