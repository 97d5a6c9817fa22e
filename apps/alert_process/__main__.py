"""`python -m alert_process`: load, say the wiring, run, stop on SIGTERM."""

from __future__ import annotations

import logging
import sys

from runtime.consuming import ConsumerMetrics
from runtime.process import exit_code_of, log_to_stderr, stop_on_signals
from runtime.settings import from_environment
from runtime.status import Heartbeat, serving

from alert_process.app import AlertProcess
from alert_process.settings import AlertProcessSettings


def main() -> None:
    """Run until SIGTERM."""
    settings = from_environment(AlertProcessSettings)
    log_to_stderr(settings.log_level)
    stop = stop_on_signals()
    heartbeat = Heartbeat(limit_s=120.0)  # a commit may wait a minute for a Kafka that is away
    app = AlertProcess(settings, ConsumerMetrics("alert_process"), heartbeat)
    logging.getLogger("alert_process").info(
        "alert_process %s: %s %s -> %s %s",
        settings.group,
        settings.brokerlist,
        settings.topic,
        settings.camunda_url,
        settings.process,
    )
    with serving(settings.metrics_port, heartbeat.check, app.ready):
        app.run(stop)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
