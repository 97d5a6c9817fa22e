"""One stage, carried out by the clients of one process: each begins when the ramp says so, and goes on as its broker answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from fleet.answers import Publish
from fleet.herd import Publication
from fleet.network import Network
from fleet.scenario.mark import Mark
from fleet.scenario.payloads import Payloads
from fleet.scenario.plan import Cycle, Group, Lane, filled
from fleet.scenario.sent import Sent
from fleet.session import Session
from fleet.wheel import NEVER, Wheel

TICKS_PER_S: Final = 700  # of all processes together, 2026-11-27: 86 us each, so 67 processes with 100 each took 0.6 of a core
SHORTEST_TICK_S: Final = 0.01
SLOTS: Final = 2048
LOOK_EVERY_S: Final = 0.05  # at a client that waits for acknowledgements or for its broker to hang up
BATCH: Final = 256  # clients that publish before the brokers are heard again
TURNS: Final = 32  # messages that a client may send in one tick: 3,200 a second in ticks of 10 ms


def tick_s(processes: int) -> float:
    """How often each of so many looks at what is due."""
    return max(SHORTEST_TICK_S, processes / TICKS_PER_S)


class Step(Enum):
    """What a client is at."""

    WAITING = auto()
    CONNECTING = auto()
    SUBSCRIBING = auto()
    PUBLISHING = auto()
    SETTLING = auto()  # until all is acknowledged
    LEAVING = auto()


class Actor:
    """One client in its cycle; `place` counts from the first client of this process."""

    __slots__ = ("due_s", "due_tick", "part", "place", "sent", "step")

    def __init__(self, part: Part, place: int, due_s: float) -> None:
        """It begins at `due_s`."""
        self.part = part
        self.place = place
        self.step = Step.WAITING
        self.sent = 0
        self.due_s = due_s
        self.due_tick = NEVER


@dataclass(slots=True)
class Part:
    """A cycle with this process' clients of its group, which are `indices` of it; a lane and payloads if they publish."""

    cycle: Cycle
    group: Group
    sessions: Sequence[Session]
    indices: range
    lane: Lane | None = None
    payloads: Payloads | None = None
    due: list[Actor] = field(default_factory=list)


class Stage:
    """Call `advance` in each tick until `done`; it listens to its sessions."""

    def __init__(self, parts: Sequence[Part], network: Network, sent: Sent, process: int, processes: int) -> None:
        """It begins now; the clients of all processes together are spread evenly over the ramp."""
        begin_s = time.monotonic()
        self._parts, self._network, self._sent = parts, network, sent
        self._wheel: Wheel[Actor] = Wheel(tick_s(processes), SLOTS, begin_s)
        self._actors: dict[Session, Actor] = {}
        for part in parts:
            step_s = part.cycle.ramp_s / max(1, len(part.sessions) * processes)
            for place, session in enumerate(part.sessions):
                actor = Actor(part, place, begin_s + step_s * (place * processes + process))
                self._actors[session] = actor
                self._wheel.put(actor, actor.due_s)
        self.left = len(self._actors)  # clients that are not through

    @property
    def done(self) -> bool:
        """Whether all clients are through."""
        return not self.left

    def advance(self, now_s: float) -> None:
        """Whatever is due."""
        for actor in self._wheel.take(now_s):
            self._go_on(actor, now_s)
        for part in self._parts:
            for _ in range(TURNS):
                due, part.due = part.due, []
                for first in range(0, len(due), BATCH):
                    self._publish(part, due[first : first + BATCH], now_s)
                    self._network.serve(0.0)
                if not part.due:
                    break

    def _go_on(self, actor: Actor, now_s: float) -> None:
        session = actor.part.sessions[actor.place]
        match actor.step:
            case Step.WAITING if actor.part.cycle.connect:
                actor.step = Step.CONNECTING
                self._network.join(session)
            case Step.WAITING:
                self._subscribe(actor, now_s)
            case Step.PUBLISHING:
                actor.part.due.append(actor)
            case Step.SETTLING if session.kept:
                self._wheel.put(actor, now_s + LOOK_EVERY_S)
            case Step.SETTLING:
                self._settled(actor, now_s)
            case Step.LEAVING if session.link is not None:
                self._wheel.put(actor, now_s + LOOK_EVERY_S)
            case Step.LEAVING:
                self.left -= 1

    def connected(self, session: Session) -> None:
        """As a listener of sessions."""
        actor = self._actors.get(session)
        if actor is not None and actor.step is Step.CONNECTING:
            self._subscribe(actor, time.monotonic())

    def subscribed(self, session: Session) -> None:
        """As a listener of sessions."""
        actor = self._actors.get(session)
        if actor is not None and actor.step is Step.SUBSCRIBING:
            self._begin(actor, time.monotonic())

    def _subscribe(self, actor: Actor, now_s: float) -> None:
        part = actor.part
        wanted, session = part.cycle.subscribe, part.sessions[actor.place]
        if wanted is None:
            self._begin(actor, now_s)
            return
        actor.step = Step.SUBSCRIBING
        number = part.group.first + part.indices[actor.place]
        session.subscribe(filled(wanted.filter, number, session.client_id), wanted.qos, now_s)

    def _begin(self, actor: Actor, now_s: float) -> None:
        if actor.part.lane is None:
            self._settled(actor, now_s)
            return
        actor.step = Step.PUBLISHING
        actor.due_s = now_s
        actor.part.due.append(actor)

    def _settled(self, actor: Actor, now_s: float) -> None:
        if not actor.part.cycle.disconnect:
            self.left -= 1
            return
        actor.step = Step.LEAVING
        session = actor.part.sessions[actor.place]
        session.filters = ()
        self._network.leave(session)
        self._wheel.put(actor, now_s + LOOK_EVERY_S)

    def _publish(self, part: Part, actors: Sequence[Actor], now_s: float) -> None:
        lane, made = part.lane, part.payloads
        if lane is None or made is None:
            return
        for actor, payload in zip(actors, made.take([actor.place for actor in actors], time.time()), strict=True):
            index = part.indices[actor.place]
            properties = b""
            if lane.marked:
                properties = Mark(lane.run, lane.base + index, actor.sent, time.time_ns()).as_property()
            message = Publication(lane.topic(index), payload, lane.publish.qos, properties)
            part.sessions[actor.place].publish(message, time.monotonic())
            actor.sent += 1
            self._sent.flows[lane.base + index] = actor.sent
            self._plan_next(actor, lane, now_s)

    def _plan_next(self, actor: Actor, lane: Lane, now_s: float) -> None:
        """The next message an interval after this one was due, so that the rate holds; one that is late goes at once."""
        actor.due_s += lane.publish.interval_s
        if actor.sent >= lane.publish.count:
            actor.step = Step.SETTLING
        elif actor.due_s <= now_s:
            actor.part.due.append(actor)
            return
        self._wheel.put(actor, actor.due_s)


class Listener:
    """Hands what sessions tell to the stage that runs, and counts what they hear."""

    def __init__(self) -> None:
        """No stage runs."""
        self.stage: Stage | None = None
        self.heard_count = 0
        self.connects_s: list[float] = []  # first and last connect of this stage, Unix time

    def begin(self, stage: Stage) -> None:
        """This stage runs now."""
        self.stage = stage
        self.connects_s = []

    def connected(self, session: Session) -> None:
        """As a listener of sessions."""
        now_s = time.time()
        self.connects_s = [self.connects_s[0] if self.connects_s else now_s, now_s]
        if self.stage is not None:
            self.stage.connected(session)

    def subscribed(self, session: Session) -> None:
        """As a listener of sessions."""
        if self.stage is not None:
            self.stage.subscribed(session)

    def heard(self, session: Session, message: Publish, now_s: float) -> None:
        """As a listener of sessions."""
        del session, message, now_s
        self.heard_count += 1
