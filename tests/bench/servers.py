"""A Mosquitto for benches, and what it logs of its clients."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.brokers import Mosquitto
from tests.support.processes import Process, wait_until

_CONNECTED = re.compile(rb"New client connected from \S+ as electric-vehicle-")


def without_limit(folder: Path) -> Mosquitto:
    """One that logs who connects and subscribes, as what is published before is no contender's to carry; no limit of its queue.

    With the lab's limit Mosquitto said that it drops messages, of 276,722 it was 39,427, though 40,000 waited at most and there
    was room for 80,000 (2026-11, on a busy machine; why is not known). Without a limit none was lost in the same load.
    """
    made = Mosquitto(folder)
    config = folder / "mosquitto.conf"
    lines = [line for line in config.read_text().splitlines() if not line.startswith("max_queued_messages")]
    lines += [f"log_type {each}" for each in ("error", "warning", "notice", "subscribe")]
    config.write_text("\n".join([*lines, "max_queued_messages 0", ""]))
    return made


class Ramp:
    """How fast cars connect, by the logs of their brokers: whoever simulates them is not asked."""

    def __init__(self, simulator: Process, brokers: Sequence[Mosquitto]) -> None:
        """None is connected yet."""
        self._simulator, self._brokers = simulator, brokers
        self._begun_s = self._ended_s = time.monotonic()

    def _look(self, cars: int) -> bool:
        count = sum(len(_CONNECTED.findall(broker.log.read_bytes())) for broker in self._brokers)
        self._ended_s = time.monotonic()
        if not count:
            self._begun_s = self._ended_s
        return count >= cars

    def wait(self, cars: int, within_s: float) -> float:
        """Cars connected a second, from the last moment at which none was; fails at once if their simulator ends."""
        wait_until(f"{cars} cars are connected", lambda: self._look(cars) or not self._simulator.alive, within_s, 0.01)
        assert self._simulator.alive, self._simulator.log.read_text(errors="replace")[-2000:]
        return cars / max(self._ended_s - self._begun_s, 0.01)
