"""`python -m timeseries`: load, say the wiring, run, stop on SIGTERM."""

from __future__ import annotations

import logging
import sys

from runtime.process import exit_code_of, log_to_stderr, stop_on_signals
from runtime.settings import from_environment
from runtime.status import Heartbeat, serving

from timeseries.app import Timeseries, wiring
from timeseries.metrics import Metrics
from timeseries.settings import TimeseriesSettings


def main() -> None:
    """Run until SIGTERM."""
    settings = from_environment(TimeseriesSettings)
    log_to_stderr(settings.log_level)
    stop = stop_on_signals()
    heartbeat = Heartbeat(limit_s=120.0)  # a commit may wait a minute for a Kafka that is away
    timeseries = Timeseries(settings, Metrics(), heartbeat)
    logging.getLogger("timeseries").info("%s", wiring(settings))
    with serving(settings.metrics_port, heartbeat.check, timeseries.ready):
        timeseries.run(stop)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
