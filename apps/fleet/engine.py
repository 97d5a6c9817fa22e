"""What sends the devices' messages: all sessions of one process on one thread, by epoll, in ticks of 10 ms.

In a tick the devices that are due publish as one batch of their herd; between ticks whatever the brokers say is read at once.
"""

from __future__ import annotations

import logging
import random
import select
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from runtime.backoff import wait_s
from runtime.seldom import Seldom
from runtime.status import Heartbeat

from fleet.gate import Gate
from fleet.herd import Herd
from fleet.schedule import Schedule
from fleet.session import Rules, Session
from fleet.shards import shard_of
from fleet.wheel import Wheel
from fleet.wire import Route, Wire

log = logging.getLogger(__name__)
seldom = Seldom(log)

TICK_S: Final = 0.01
BATCH: Final = 256  # devices that publish before the brokers are heard again
EVENTS: Final = 1024
WHEEL_TICK_S: Final = 0.05
WHEEL_SLOTS: Final = 2048  # a turn of 102 s is longer than the usual keep-alive
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
GOODBYE_S: Final = 2.0  # for the last acknowledgements, and again for the brokers to hang up

Round = tuple[Herd, Sequence[Session], Schedule]


class Engine:
    """The sessions of some herds."""

    def __init__(self, herds: Sequence[Herd], route: Route, rules: Rules, connects_per_s: float, seed: int) -> None:
        """Nothing connects before `run`; the same `seed` gives the same jitter."""
        now_s = time.monotonic()
        self._route = route
        self._tally = rules.tally
        self._poll = select.epoll()
        self._wires: dict[int, Wire] = {}  # by file
        self._wheel: Wheel[Session] = Wheel(WHEEL_TICK_S, WHEEL_SLOTS, now_s)
        self._gate = Gate(len(route.ports), connects_per_s, now_s)
        self._draw = random.Random(f"engine/{seed}")
        self._opened = 0
        self._stopping = False
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
            self._gate.ask(session)
        tick_s = time.monotonic()
        while not stop.is_set():
            heartbeat.beat()
            now_s = time.monotonic()
            if now_s >= tick_s:
                tick_s = now_s + TICK_S
                self._tick(now_s)
            for session in self._gate.take(now_s):
                self._connect(session, now_s)
            self._serve(tick_s - time.monotonic())
        self._say_goodbye()

    def _tick(self, now_s: float) -> None:
        for herd, sessions, schedule in self._rounds:
            due = schedule.take(now_s)
            for first in range(0, len(due), BATCH):
                self._publish(herd, sessions, due[first : first + BATCH])
                self._serve(0.0)
            self._tally.missed += schedule.missed
            schedule.missed = 0
        for session in self._wheel.take(now_s):
            if session.link is None:
                self._gate.ask(session)
            else:
                self._care(session, now_s)

    @staticmethod
    def _publish(herd: Herd, sessions: Sequence[Session], indices: Sequence[int]) -> None:
        for index, message in herd.publications(indices, time.time()):
            sessions[index].publish(message, time.monotonic())

    def _connect(self, session: Session, now_s: float) -> None:
        self._opened += 1
        try:
            wire = Wire(session, self._route, self._poll, self._opened)
        except OSError as failed:
            self._gone(session, _reason(failed))
            return
        self._wires[wire.file] = wire
        self._wheel.put(session, session.opened(wire, now_s))

    def _care(self, session: Session, now_s: float) -> None:
        due_s, why = session.care(now_s)
        if why is None:
            self._wheel.put(session, due_s)
        elif isinstance(session.link, Wire):
            self._close(session.link, why)

    def _serve(self, most_s: float) -> None:
        for file, events in self._poll.poll(max(0.0, most_s), EVENTS):
            wire = self._wires[file]
            try:
                why = self._advance(wire, events, time.monotonic())
            except OSError as failed:
                why = _reason(failed)
            if why is not None:
                self._close(wire, why)

    def _advance(self, wire: Wire, events: int, now_s: float) -> str | None:
        session = wire.session
        if events & select.EPOLLOUT and wire.advance() and session.up:
            session.writable(now_s)
        if not events & ~select.EPOLLOUT:
            return None
        data = wire.read()
        if data is None:
            return None
        was_up = session.up
        why = session.received(data, now_s) if data else "the broker closed the connection"
        if session.up and not was_up:
            self._gate.settle(session)
            self._wheel.put(session, session.due_s())
        return why

    def _close(self, wire: Wire, why: str) -> None:
        del self._wires[wire.file]
        wire.close()
        self._gone(wire.session, why)

    def _gone(self, session: Session, why: str) -> None:
        """A connection ended or did not come about; `why` is in few words what counts, and behind a colon the rest."""
        was_up = session.up
        session.closed()
        if self._stopping:
            return
        if was_up:
            self._tally.lost += 1
        else:
            self._gate.settle(session)
            self._tally.refused[why.partition(":")[0]] += 1
        seldom.warning(f"connections to shard {session.shard} {'are lost' if was_up else 'fail'}: {why}")
        self._wheel.put(session, time.monotonic() + wait_s(session.attempts, FIRST_WAIT_S, LONGEST_WAIT_S, self._draw))
        session.attempts += 1

    def _say_goodbye(self) -> None:
        self._until(lambda: not any(session.kept for session in self._sessions if session.up))
        self._stopping = True
        for wire in list(self._wires.values()):
            if wire.session.up:
                wire.session.goodbye(time.monotonic())
            else:
                self._close(wire, "")
        self._until(lambda: not self._wires)
        for wire in list(self._wires.values()):
            self._close(wire, "")
        kept = sum(session.kept for session in self._sessions)
        self._tally.dropped += kept
        log.info("fleet: %d sent, %d acknowledged, %d thrown away", self._tally.sent, self._tally.acked, self._tally.dropped)

    def _until(self, done: Callable[[], bool]) -> None:
        until_s = time.monotonic() + GOODBYE_S
        while not done() and time.monotonic() < until_s:
            self._serve(0.05)


def _reason(failed: OSError) -> str:
    if isinstance(failed, ssl.SSLError):
        return f"TLS: {failed}"
    return failed.strerror or str(failed)
