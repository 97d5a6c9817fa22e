"""The connections of many sessions on one thread, by epoll: opened in turn, kept alive, and opened again after they were lost."""

from __future__ import annotations

import logging
import random
import select
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from runtime.backoff import wait_s
from runtime.seldom import Seldom

from fleet.gate import MOST_OPEN, Gate
from fleet.session import Session
from fleet.tally import Tally
from fleet.wheel import Wheel
from fleet.wire import Route, Wire

log = logging.getLogger(__name__)
seldom = Seldom(log)

EVENTS: Final = 1024
WHEEL_TICK_S: Final = 0.05
WHEEL_SLOTS: Final = 2048  # a turn of 102 s is longer than the usual keep-alive
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
GOODBYE_S: Final = 2.0  # for the last acknowledgements, and again for the brokers to hang up


class Network:
    """Call `advance` every few hundredths of a second and `serve` in between."""

    def __init__(self, route: Route, tally: Tally, connects_per_s: float, seed: int, most_open: int = MOST_OPEN) -> None:
        """Nothing connects before `join`; the same `seed` gives the same jitter, `most_open` is the gate's."""
        now_s = time.monotonic()
        self._route = route
        self._tally = tally
        self._poll = select.epoll()
        self._wires: dict[int, Wire] = {}  # by file
        self._wheel: Wheel[Session] = Wheel(WHEEL_TICK_S, WHEEL_SLOTS, now_s)
        self._gate = Gate(len(route.ports), connects_per_s, now_s, most_open)
        self._draw = random.Random(f"engine/{seed}")
        self._opened = 0

    def join(self, session: Session) -> None:
        """Connect it as soon as it is its turn."""
        session.wanted = True
        self._gate.ask(session)

    def leave(self, session: Session, *, forget: bool = False) -> None:
        """Say goodbye; it has left when its `link` is None."""
        session.wanted = False
        self._wheel.forget(session)
        if session.up:
            session.goodbye(time.monotonic(), forget=forget)
        elif isinstance(session.link, Wire):
            self._close(session.link, "")

    def advance(self, now_s: float) -> None:
        """Whatever is due: keep-alives, and connections that it is the turn of."""
        for session in self._wheel.take(now_s):
            if session.link is not None:
                self._care(session, now_s)
            elif session.wanted:
                self._gate.ask(session)
        for session in self._gate.take(now_s):
            if session.wanted:
                self._connect(session, now_s)
            else:
                self._gate.settle(session)

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

    def serve(self, most_s: float) -> None:
        """Read what the brokers say; wait for it for at most so long."""
        for file, events in self._poll.poll(max(0.0, most_s), EVENTS):
            wire = self._wires.get(file)
            if wire is None:
                continue  # closed by what came just before
            try:
                why = self._advance(wire, events, time.monotonic())
            except OSError as failed:
                why = _reason(failed)
            if why is not None and file in self._wires:
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
        if not was_up:
            self._gate.settle(session)
        if not session.wanted:
            return
        if was_up:
            self._tally.lost += 1
        else:
            self._tally.refused[why.partition(":")[0]] += 1
        seldom.warning(f"connections to shard {session.shard} {'are lost' if was_up else 'fail'}: {why}")
        self._wheel.put(session, time.monotonic() + wait_s(session.attempts, FIRST_WAIT_S, LONGEST_WAIT_S, self._draw))
        session.attempts += 1

    def say_goodbye(self, sessions: Sequence[Session]) -> None:
        """Wait a moment for acknowledgements, let all of them leave, and throw away what is left."""
        self._until(lambda: not any(session.kept for session in sessions if session.up))
        self.part(sessions)
        for session in sessions:
            session.give_up()

    def part(self, sessions: Iterable[Session], *, forget: bool = False) -> None:
        """Let all of them leave, and close what the brokers do not."""
        for session in sessions:
            self.leave(session, forget=forget)
        self._until(lambda: not self._wires)
        for wire in list(self._wires.values()):
            self._close(wire, "")

    def _until(self, done: Callable[[], bool]) -> None:
        until_s = time.monotonic() + GOODBYE_S
        while not done() and time.monotonic() < until_s:
            self.serve(0.05)


def _reason(failed: OSError) -> str:
    if isinstance(failed, ssl.SSLError):
        return f"TLS: {failed}"
    return failed.strerror or str(failed)
