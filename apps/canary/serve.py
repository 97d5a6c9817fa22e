"""The standing canary: a flight every interval, an ear for what the brokers drop, all of it as metrics."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from dataclasses import replace

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge
from runtime.process import stop_on_signals
from runtime.settings import host_and_port
from runtime.status import Heartbeat, serving

from canary.drops import Drops, Listener
from canary.flight import fly, new_name
from canary.logins import Logins, logins
from canary.report import MQTT, Check, Hop, Report, why
from canary.settings import CanarySettings

log = logging.getLogger(__name__)

NO_DROPS = "mosquitto drops no message"


class Metrics:
    """What the flights found."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """`registry`: one of its own in tests."""
        self.runs = Counter("canary_runs", "readings sent", registry=registry)
        self.failures = Counter("canary_failures", "hops and checks found red", ["name"], registry=registry)
        self.ok = Gauge("canary_ok", "1 if the last flight passed here", ["name"], registry=registry)
        self.dropped = Counter(
            "canary_mosquitto_dropped", "messages that a broker threw away while we listened", ["shard"], registry=registry
        )
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


def _drops(settings: CanarySettings, who: Logins, metrics: Metrics) -> Drops:
    """An ear for each broker."""

    def listener(shard: int, uri: str) -> Listener:
        told = metrics.dropped.labels(str(shard)).inc
        return Listener(host_and_port(uri), new_name(settings.device), who.mqtt, settings.drops_topic, told)

    return Drops([listener(shard, uri) for shard, uri in enumerate(settings.mqtt_uris)])


def _watch(
    settings: CanarySettings, who: Logins, metrics: Metrics, drops: Drops, heartbeat: Heartbeat, stop: threading.Event
) -> None:
    """Fly every interval until `stop`."""
    next_s = time.monotonic()
    while not stop.is_set():
        heartbeat.beat()
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + settings.interval_s
            flown = fly(settings, who)
            report = replace(flown, checks=[*flown.checks, Check(NO_DROPS, drops.why())])
            metrics.record(report)
            _tell(report)
        stop.wait(1.0)


def serve(settings: CanarySettings) -> None:
    """Watch the lab until SIGTERM; `/last` tells by service what a single flight cannot know.

    Raises:
        ConfigurationError: a password file or a URI cannot be used.
    """
    stop = stop_on_signals()
    who, metrics = logins(settings), Metrics()
    drops = _drops(settings, who, metrics)
    heartbeat = Heartbeat(limit_s=120.0)  # a flight through a dead lab takes its time
    log.info("canary %s: %s -> %s", settings.device, settings.mqtt_uri, settings.brokerlist)

    def last() -> dict[str, dict[str, str]]:
        return {"services": {MQTT.target: drops.why() or ""}}

    with closing(drops), serving(settings.metrics_port, heartbeat.check, lambda: None, last):
        drops.start()
        _watch(settings, who, metrics, drops, heartbeat, stop)
