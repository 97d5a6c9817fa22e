"""`python -m fleet`: load, say the wiring, run, stop on SIGTERM."""

from __future__ import annotations

import logging
import sys

from runtime.process import exit_code_of, log_to_stderr, stop_on_signals
from runtime.settings import from_environment, host_and_port, read_password
from runtime.status import Heartbeat, serving

from fleet.car import Car
from fleet.engine import PahoEngine, Target
from fleet.metrics import Metrics
from fleet.settings import FleetSettings


def _cars(settings: FleetSettings) -> list[Car]:
    numbers = range(settings.first, settings.first + settings.cars)
    return [
        Car(settings.client_id.format(number=number), number, settings.seed, settings.failures_per_hour) for number in numbers
    ]


def _target(settings: FleetSettings) -> Target:
    return Target(
        *host_and_port(settings.uri),
        topic=settings.topic,
        user=settings.user,
        password=read_password(settings.password_file),
        qos=settings.qos,
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
    engine = PahoEngine(_cars(settings), settings.interval_s, _target(settings), Metrics(), heartbeat)
    rate = settings.cars / settings.interval_s
    logging.getLogger("fleet").info(
        "fleet: %d cars -> %s %s, %.1f readings/s, QoS %d", settings.cars, settings.uri, settings.topic, rate, settings.qos
    )
    with serving(settings.metrics_port, heartbeat.check, engine.ready):
        engine.run(stop)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
