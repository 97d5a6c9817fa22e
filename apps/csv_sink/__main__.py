"""`python -m csv_sink`: load, say the wiring, run, stop on SIGTERM."""

from __future__ import annotations

import logging
import sys

from runtime.consuming import ConsumerMetrics
from runtime.process import exit_code_of, log_to_stderr, stop_on_signals
from runtime.settings import from_environment
from runtime.status import Heartbeat, serving

from csv_sink.app import CsvSink
from csv_sink.settings import CsvSinkSettings


def main() -> None:
    """Run until SIGTERM."""
    settings = from_environment(CsvSinkSettings)
    log_to_stderr(settings.log_level)
    stop = stop_on_signals()
    heartbeat = Heartbeat(limit_s=120.0)  # a commit may wait a minute for a Kafka that is away
    app = CsvSink(settings, ConsumerMetrics("csv_sink"), heartbeat)
    logging.getLogger("csv_sink").info(
        "csv_sink %s: %s %s -> %s", settings.group, settings.brokerlist, settings.topic, settings.file
    )
    with serving(settings.metrics_port, heartbeat.check, app.ready):
        app.run(stop)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
