"""`python -m json_pipe`: load, say the wiring, run, stop on SIGTERM."""

from __future__ import annotations

import logging
import os
import sys

from runtime.consuming import ConsumerMetrics
from runtime.process import exit_code_of, log_to_stderr, stop_on_signals
from runtime.settings import from_environment
from runtime.status import Heartbeat, serving

from json_pipe.app import JsonPipe
from json_pipe.settings import JsonPipeSettings


def main() -> int:
    """Run until SIGTERM, or until Kafka has failed a transaction."""
    settings = from_environment(JsonPipeSettings)
    log_to_stderr(settings.log_level)
    stop = stop_on_signals()
    heartbeat = Heartbeat(limit_s=120.0)  # a commit may wait a minute for a Kafka that is away
    app = JsonPipe(settings, ConsumerMetrics("json_pipe"), heartbeat)
    logging.getLogger("json_pipe").info(
        "json_pipe %s: %s %s -> %s", settings.group, settings.brokerlist, settings.topic, settings.output_topic
    )
    with serving(settings.metrics_port, heartbeat.check, app.ready):
        code = app.run(stop)
    if code:
        os._exit(code)  # a stuck thread of the client library would keep the process
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
