"""What sends the devices' messages: all sessions of one process on one thread, in ticks of 10 ms.

In a tick the devices that are due publish as one batch of their herd; between ticks whatever the brokers say is read at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Final

from runtime.status import Heartbeat

from fleet.herd import Herd
from fleet.network import Network
from fleet.rules import Rules
from fleet.schedule import Schedule
from fleet.session import Session
from fleet.shards import shard_of
from fleet.wire import Route

log = logging.getLogger(__name__)

TICK_S: Final = 0.01
BATCH: Final = 256  # devices that publish before the brokers are heard again

Round = tuple[Herd, Sequence[Session], Schedule]


class Engine:
    """The sessions of some herds."""

    def __init__(self, herds: Sequence[Herd], route: Route, rules: Rules, connects_per_s: float, seed: int) -> None:
        """Nothing connects before `run`; the same `seed` gives the same jitter."""
        now_s = time.monotonic()
        self._tally = rules.tally
        self._network = Network(route, rules.tally, connects_per_s, seed)
        self._rounds: list[Round] = []
        self._sessions: list[Session] = []
        for herd in herds:
            sessions = [Session(name, shard_of(name, len(route.ports)), rules) for name in herd.names]
            self._rounds.append((herd, sessions, Schedule(len(sessions), herd.interval_s, now_s)))
            self._sessions += sessions
            rules.tally.devices[herd.name] = len(sessions)

    @property
    def shards(self) -> list[int]:
        """The shard of each session."""
        return [session.shard for session in self._sessions]

    def ready(self) -> str | None:
        """None when all devices are connected."""
        missing = len(self._sessions) - self._tally.connected
        return f"{missing} of {len(self._sessions)} devices are not connected" if missing else None

    def run(self, stop: threading.Event, heartbeat: Heartbeat) -> None:
        """Connect, publish, reconnect until `stop`; then say goodbye."""
        for session in self._sessions:
            self._network.join(session)
        tick_s = time.monotonic()
        while not stop.is_set():
            heartbeat.beat()
            now_s = time.monotonic()
            if now_s >= tick_s:
                tick_s = now_s + TICK_S
                self._tick(now_s)
            self._network.advance(now_s)
            self._network.serve(tick_s - time.monotonic())
        self._network.say_goodbye(self._sessions)
        log.info("fleet: %d sent, %d acknowledged, %d thrown away", self._tally.sent, self._tally.acked, self._tally.dropped)

    def _tick(self, now_s: float) -> None:
        for herd, sessions, schedule in self._rounds:
            due = schedule.take(now_s)
            for first in range(0, len(due), BATCH):
                self._publish(herd, sessions, due[first : first + BATCH])
                self._network.serve(0.0)
            self._tally.missed += schedule.missed
            schedule.missed = 0

    @staticmethod
    def _publish(herd: Herd, sessions: Sequence[Session], indices: Sequence[int]) -> None:
        for index, message in herd.publications(indices, time.time()):
            sessions[index].publish(message, time.monotonic())
