"""`python -m bridge`: load, say the wiring, run, stop on SIGTERM."""

from __future__ import annotations

import logging
import sys

from runtime.process import exit_code_of, log_to_stderr, stop_on_signals
from runtime.status import Heartbeat, serving

from bridge.app import Bridge, wiring
from bridge.metrics import Metrics
from bridge.options import load


def main() -> None:
    """Run until SIGTERM."""
    settings = load(sys.argv[1:])
    log_to_stderr(settings.log_level)
    stop = stop_on_signals()
    heartbeat = Heartbeat()
    bridge = Bridge(settings, Metrics(), heartbeat)
    logging.getLogger("bridge").info("%s", wiring(settings))
    with serving(settings.metrics_port, heartbeat.check, bridge.ready, bridge.last):
        bridge.run(stop)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
