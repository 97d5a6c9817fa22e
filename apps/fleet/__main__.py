"""`python -m fleet`: load, say the wiring, run, stop on SIGTERM."""

from __future__ import annotations

import logging
import sys

from runtime.process import exit_code_of, log_to_stderr, stop_on_signals
from runtime.settings import from_environment, host_and_port, read_password
from runtime.status import Heartbeat, serving

from fleet.devices import herds
from fleet.engine import PahoEngine, Target
from fleet.metrics import Metrics
from fleet.settings import FleetSettings


def _target(settings: FleetSettings) -> Target:
    return Target(
        *host_and_port(settings.uri),
        user=settings.user,
        password=read_password(settings.password_file),
        keepalive_s=settings.keepalive_s,
        kept_readings=settings.kept_readings,
        connects_per_s=settings.connects_per_s,
    )


def main() -> None:
    """Run until SIGTERM."""
    settings = from_environment(FleetSettings)
    log_to_stderr(settings.log_level)
    stop = stop_on_signals()
    heartbeat = Heartbeat()
    fleet = herds(settings)
    engine = PahoEngine(fleet, _target(settings), Metrics(), heartbeat)
    counts = ", ".join(f"{len(herd.names)} {herd.name} every {herd.interval_s:g} s" for herd in fleet) or "nobody"
    logging.getLogger("fleet").info("fleet: %s -> %s", counts, settings.uri)
    with serving(settings.metrics_port, heartbeat.check, engine.ready):
        engine.run(stop)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
