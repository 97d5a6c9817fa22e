"""`python -m process_worker`: load, say the wiring, run, stop on SIGTERM."""

from __future__ import annotations

import logging
import sys

from runtime.process import exit_code_of, log_to_stderr, stop_on_signals
from runtime.settings import from_environment
from runtime.status import Heartbeat, serving

from process_worker.app import ProcessWorker
from process_worker.metrics import Metrics
from process_worker.settings import ProcessWorkerSettings


def main() -> None:
    """Run until SIGTERM."""
    settings = from_environment(ProcessWorkerSettings)
    log_to_stderr(settings.log_level)
    stop = stop_on_signals()
    heartbeat = Heartbeat(limit_s=120.0)  # Kafka may keep a verdict waiting for half a minute, Camunda as long
    worker = ProcessWorker(settings, Metrics(), heartbeat)
    logging.getLogger("process_worker").info(
        "process_worker: %s %s, %s -> %s %s",
        settings.camunda_url,
        settings.invoice_task,
        settings.verdict_task,
        settings.brokerlist,
        settings.verdict_topic,
    )
    with serving(settings.metrics_port, heartbeat.check, worker.ready):
        worker.run(stop)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
