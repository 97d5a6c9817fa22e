"""Simulated cars of one process, from the first connection to the goodbye; whoever simulates them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack

from tests.bench.servers import Ramp
from tests.support.brokers import Mosquitto
from tests.support.processes import Process

QUICKLY = {"FLEET_TRUTH_TOPIC": "", "FLEET_CONNECTS_PER_S": "20000"}  # our app: readings alone, connects as fast as it can
CONNECTED_S = 120.0
TOLD = re.compile(r"(\d+) sent, (\d+) acknowledged")


class Cars:
    """`count` cars that `process` connects to `brokers`; at its end its log says what it has sent."""

    def __init__(self, stack: ExitStack, process: Process, brokers: Sequence[Mosquitto], count: int) -> None:
        """They connect; `stack` ends them if nobody else does."""
        self._process = process
        stack.callback(process.close)
        process.start()
        self.connects_s = Ramp(process, brokers).wait(count, CONNECTED_S)

    def stop(self) -> int:
        """Let them say goodbye; how many messages were acknowledged to them."""
        log = self._process.log
        assert self._process.terminate(60.0) == 0, log.read_text(errors="replace")[-2000:]
        acked = int(TOLD.findall(log.read_text())[-1][1])
        assert acked, f"nothing was acknowledged to the cars of {log}"
        return acked
