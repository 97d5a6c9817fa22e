"""The reader of a run: one session at each shard takes what the clients publish, and every message is looked at.

Marked messages are known one by one: which has come, which twice, which is missing so far. What has no mark (MQTT 3.1.1) is
counted by its topic. Whatever is not of this run is left out, as a lab's own devices publish meanwhile.
"""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from fleet.answers import Publish
from fleet.limits import raise_files
from fleet.network import Network
from fleet.rules import Rules
from fleet.scenario.mark import mark_in
from fleet.scenario.plan import READER_EXPIRY_S, Lane, Plan
from fleet.scenario.talk import STOP, Words, say
from fleet.session import Session
from fleet.shards import Host, shard_of
from fleet.tally import Latencies, Tally
from fleet.wire import Route

READ_S: Final = 0.01
PROGRESS_S: Final = 0.5
QUIET_S: Final = 3.0  # without a message at the end, and nothing more is waited for
QUANTILES: Final = (0.5, 0.99)
KEEPALIVE_S: Final = 60
MQTT_5: Final = 5


class Arrivals:
    """What has come of a run. Pure."""

    def __init__(self, run: str, flows: int, topics: Iterable[str] = ()) -> None:
        """Nothing has come; on `topics` this run's messages have no mark."""
        self._run = run
        self._next = array("I", bytes(4 * flows))  # number that is expected, by flow
        self._missing: dict[int, set[int]] = {}
        self.latencies = Latencies()
        self.topics: Counter[str] = Counter(dict.fromkeys(topics, 0))  # messages without a mark, by topic
        self.duplicates: Counter[int] = Counter()  # by flow
        self.received = self.duplicated = self.missing = 0

    def take(self, message: Publish, now_ns: int, now_s: float) -> None:
        """One message."""
        mark = mark_in(message.properties)
        if mark is None:
            if message.topic in self.topics:
                self.topics[message.topic] += 1
                self.received += 1
            return
        if mark.run != self._run or not 0 <= mark.flow < len(self._next):
            return
        self.received += 1
        expected = self._next[mark.flow]
        if mark.number == expected:
            self._next[mark.flow] = expected + 1
        elif mark.number > expected:
            self._missing.setdefault(mark.flow, set()).update(range(expected, mark.number))
            self.missing += mark.number - expected
            self._next[mark.flow] = mark.number + 1
        elif not self._fills(mark.flow, mark.number):
            self.duplicated += 1
            self.duplicates[mark.flow] += 1
            return
        self.latencies.add(max(0.0, (now_ns - mark.sent_ns) / 1e9), now_s)

    def _fills(self, flow: int, number: int) -> bool:
        missing = self._missing.get(flow)
        if not missing or number not in missing:
            return False
        missing.remove(number)
        self.missing -= 1
        return True

    def as_json(self) -> dict[str, Any]:
        """For whoever compares it with what was sent."""
        return {
            "next": self._next.tolist(),
            "missing": [(flow, sorted(numbers)) for flow, numbers in self._missing.items() if numbers],
            "duplicates": list(self.duplicates.items()),
            "topics": dict(self.topics),
        }


def filters_by_shard(plan: Plan, lanes: Iterable[Lane]) -> list[list[str]]:
    """By shard, what is read: all that the plan says, or the topics of one client in so many.

    Without marks a topic is counted as a whole, wherever those who share it are.
    """
    if plan.every == 1:
        return [plan.filters] * len(plan.ports)
    found: list[dict[str, None]] = [{} for _ in plan.ports]
    for lane in lanes:
        topics = {lane.topic(index) for index in plan.read_back(lane)}
        for index in plan.read_back(lane) if lane.marked else range(lane.group.count):
            if (topic := lane.topic(index)) in topics:
                found[shard_of(lane.group.client_id(index), len(found))][topic] = None
    return [list(topics) for topics in found]


class Counting:
    """The process: its sessions, and the arrivals."""

    def __init__(self, plan: Plan) -> None:
        """Nothing connects yet.

        Raises:
            ConfigurationError: no password, or too few files.
        """
        raise_files(len(plan.ports))
        lanes = [lane for stage in plan.lanes() for lane in stage if lane is not None]
        topics = (lane.topic(index) for lane in lanes if not lane.marked for index in plan.read_back(lane))
        self._arrivals = Arrivals(plan.run, sum(lane.group.count for lane in lanes), topics)
        self._filters = filters_by_shard(plan, lanes)
        self._tally = Tally()
        rules = Rules(plan.readers.login(MQTT_5, KEEPALIVE_S, READER_EXPIRY_S), 1, self._tally, listener=self)
        self._network = Network(Route(Host(plan.host), tuple(plan.ports)), self._tally, 1000.0, plan.seed)
        self._sessions = [Session(f"fleet-run-{plan.run}-{shard}", shard, rules) for shard in range(len(plan.ports))]
        self._wanted = sum(map(len, self._filters))  # subscriptions to be taken
        self._heard_s = time.monotonic()
        self._progress_s = 0.0

    def connected(self, session: Session) -> None:
        """As a listener of sessions."""
        del session

    def subscribed(self, session: Session) -> None:
        """As a listener of sessions."""
        del session
        self._wanted -= 1
        if not self._wanted:
            say("ready")

    def heard(self, session: Session, message: Publish, now_s: float) -> None:
        """As a listener of sessions."""
        del session
        before = self._arrivals.received
        self._arrivals.take(message, time.time_ns(), now_s)
        if self._arrivals.received > before:
            self._heard_s = now_s

    def run(self, words: Words) -> None:
        """Count until the words say stop and nothing comes any more; then tell."""
        if not self._wanted:
            say("ready")  # nobody publishes
        for session, filters in zip(self._sessions, self._filters, strict=True):
            for each in filters:
                session.subscribe(each, 1, 0.0)
            if filters:
                self._network.join(session)
        stopped = False
        while not stopped or time.monotonic() < self._heard_s + QUIET_S:
            now_s = time.monotonic()
            if not stopped and words.next() == STOP:
                stopped, self._heard_s = True, now_s
            self._network.advance(now_s)
            self._network.serve(READ_S)
            if now_s >= self._progress_s:
                self._progress_s = now_s + PROGRESS_S
                say("progress", **self._figures(now_s))
        self._network.part(self._sessions, forget=True)
        say("progress", **self._figures(time.monotonic()))
        say("ended", arrivals=self._arrivals.as_json())

    def _figures(self, now_s: float) -> dict[str, Any]:
        arrivals = self._arrivals
        p50_s, p99_s = arrivals.latencies.quantiles_s(QUANTILES, now_s)
        return {
            "received": arrivals.received,
            "duplicated": arrivals.duplicated,
            "missing": arrivals.missing,
            "lost_connections": self._tally.lost,
            "refused": dict(self._tally.refused),
            "p50_s": p50_s,
            "p99_s": p99_s,
            "latencies": arrivals.latencies.counts,
            "at_s": now_s,
        }
