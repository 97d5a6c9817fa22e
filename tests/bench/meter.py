"""How many cores some processes take together."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil

from tests.support.processes import Process


class Meter:
    """Measures from its making on."""

    def __init__(self, processes: Sequence[Process]) -> None:
        """They run already, and go on to."""
        self._processes = [psutil.Process(process.pid) for process in processes]
        self._begun_s, self._before_s = time.monotonic(), self._used_s()

    def _used_s(self) -> float:
        return float(sum(sum(process.cpu_times()[:2]) for process in self._processes))

    def read(self) -> tuple[float, float]:
        """Seconds so far, and cores."""
        used_s, took_s = self._used_s() - self._before_s, time.monotonic() - self._begun_s
        return took_s, used_s / took_s
