"""`python -m fleet`: load, say the wiring, run, stop on SIGTERM."""

from __future__ import annotations

import logging
import sys

from prometheus_client import REGISTRY
from runtime.process import exit_code_of, log_to_stderr, stop_on_signals
from runtime.settings import from_environment
from runtime.status import Heartbeat, serving

from fleet.connection import route, rules
from fleet.devices import herds
from fleet.engine import Engine
from fleet.limits import check_ports, few_tracked, local_ports, raise_files
from fleet.metrics import Metrics
from fleet.settings import FleetSettings
from fleet.tally import Tally

log = logging.getLogger("fleet")


def main() -> None:
    """Run until SIGTERM."""
    settings = from_environment(FleetSettings)
    log_to_stderr(settings.log_level)
    stop, heartbeat, tally = stop_on_signals(), Heartbeat(), Tally()
    fleet, way = herds(settings), route(settings)
    sessions = sum(len(herd.names) for herd in fleet)
    raise_files(sessions)
    if few := few_tracked(sessions):
        log.warning("%s", few)
    engine = Engine(fleet, way, rules(settings, tally), settings.connects_per_s, settings.seed)
    check_ports(engine.shards, len(way.sources), local_ports())
    metrics = Metrics(tally)
    REGISTRY.register(metrics)
    counts = ", ".join(f"{len(herd.names)} {herd.name} every {herd.interval_s:g} s" for herd in fleet) or "nobody"
    log.info("fleet: %s -> %s, %d shards", counts, settings.uri, len(way.ports))
    with serving(settings.metrics_port, heartbeat.check, engine.ready, metrics.last):
        engine.run(stop, heartbeat)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
