"""One process of a scenario's clients: it carries out the stages that it is told to, and says what it has sent."""

from __future__ import annotations

import time
from typing import Any, Final

from fleet.gate import MOST_OPEN
from fleet.limits import check_ports, local_ports, raise_files
from fleet.network import Network
from fleet.rules import Rules
from fleet.scenario.payloads import payloads
from fleet.scenario.plan import Cycle, Lane, Plan, share
from fleet.scenario.sent import Sent
from fleet.scenario.stage import Listener, Part, Stage, tick_s
from fleet.scenario.talk import STOP, Words, say
from fleet.session import Session
from fleet.shards import Host, shard_of
from fleet.wire import Route

PROGRESS_S: Final = 0.5
CONNECTS_PER_S: Final = 20_000.0  # more than a process can; the ramp says how many it shall


class Clients:
    """The clients of process number `number`."""

    def __init__(self, plan: Plan, number: int) -> None:
        """Nothing connects yet.

        Raises:
            ConfigurationError: too few files or ports, or no password.
        """
        self._plan, self._number = plan, number
        self._sent, self._listener = Sent(), Listener()
        most_open = max(1, MOST_OPEN // plan.processes)
        route = Route(Host(plan.host), tuple(plan.ports))
        self._network = Network(route, self._sent, CONNECTS_PER_S, plan.seed + number, most_open)
        self._indices = [share(group.count, number, plan.processes) for group in plan.groups]
        self._groups = [self._sessions(place) for place in range(len(plan.groups))]
        self._all = [session for group in self._groups for session in group]
        self._lanes = plan.lanes()
        self._tick_s = tick_s(plan.processes)
        self._progress_s = 0.0
        raise_files(len(self._all))
        check_ports([session.shard for session in self._all], 1, local_ports())

    def _sessions(self, place: int) -> list[Session]:
        group = self._plan.groups[place]
        login = (self._plan.readers if group.reads else self._plan.devices).login(group.level, group.keepalive_s)
        rules = Rules(login, self._plan.kept(place), self._sent, listener=self._listener)
        names = (group.client_id(index) for index in self._indices[place])
        return [Session(name, shard_of(name, len(self._plan.ports)), rules) for name in names]

    def run(self, words: Words) -> None:
        """Carry out what the words say until they say stop; then say goodbye and tell."""
        say("ready")
        stage, number = None, 0
        while (word := words.next()) != STOP:
            if word is not None:
                number = int(word)
                stage = self._begin(number)
            now_s = time.monotonic()
            if stage is not None:
                stage.advance(now_s)
                if stage.done:
                    say("progress", **self._figures(now_s))
                    say("stage", number=number, connects_s=self._listener.connects_s)
                    stage = None
            self._network.advance(now_s)
            self._network.serve(now_s + self._tick_s - time.monotonic())
            if now_s >= self._progress_s:
                self._progress_s = now_s + PROGRESS_S
                say("progress", **self._figures(now_s))
        self._network.say_goodbye(self._all)
        say("progress", **self._figures(time.monotonic()))
        say("ended", sent=self._sent.as_json(), heard=self._listener.heard_count)

    def _begin(self, number: int) -> Stage:
        cycles = zip(self._plan.stages[number].cycles, self._lanes[number], strict=True)
        parts = [self._part(cycle, lane) for cycle, lane in cycles]
        stage = Stage(parts, self._network, self._sent, self._number, self._plan.processes)
        self._listener.begin(stage)
        return stage

    def _part(self, cycle: Cycle, lane: Lane | None) -> Part:
        indices = self._indices[cycle.group]
        made = payloads(lane, indices, self._plan.seed) if lane is not None else None
        return Part(cycle, self._plan.groups[cycle.group], self._groups[cycle.group], indices, lane, made)

    def _figures(self, now_s: float) -> dict[str, Any]:
        sent = self._sent
        return {
            "connected": sent.connected,
            "connects": sent.connects,
            "sent": sent.sent,
            "acked": sent.acked,
            "dropped": sent.dropped,
            "rejected": sent.rejected,
            "resent": sent.resent,
            "lost_connections": sent.lost,
            "heard": self._listener.heard_count,
            "refused": dict(sent.refused),
            "puback": sent.latencies.counts,
            "at_s": now_s,
        }
