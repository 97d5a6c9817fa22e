"""What was sent beside what has come: by quality of service, each message once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fleet.scenario.plan import Lane, Plan


@dataclass(slots=True)
class Counts:
    """Messages. `acked`: by the broker, or at QoS 0 handed to a connection. `lost`: acknowledged and never come."""

    sent: int = 0
    acked: int = 0
    received: int = 0
    lost: int = 0
    duplicated: int = 0

    def add(self, other: Counts) -> None:
        """Together."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    def as_json(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


class Books:
    """What all processes have told at their end."""

    def __init__(self, sent: Iterable[Mapping[str, Any]], arrivals: Mapping[str, Any]) -> None:
        """`sent` are those of the clients, `arrivals` the counter's."""
        self._sent: dict[int, int] = {}
        self._unacknowledged: dict[int, set[int]] = {}
        self._unmarked: Counter[str] = Counter()
        for told in sent:
            self._sent |= {int(flow): int(count) for flow, count in told["flows"]}
            self._unacknowledged |= {int(flow): set(numbers) for flow, numbers in told["unacknowledged"]}
            self._unmarked.update(told["unmarked"])
        self._next: Sequence[int] = arrivals.get("next", ())
        self._missing = {int(flow): set(numbers) for flow, numbers in arrivals.get("missing", ())}
        self._duplicates = dict(arrivals.get("duplicates", ()))
        self._topics: Mapping[str, int] = arrivals.get("topics", {})

    def by_qos(self, plan: Plan) -> dict[int, Counts]:
        """Each quality of service that somebody publishes at."""
        found: dict[int, Counts] = {}
        lanes = [lane for stage in plan.lanes() for lane in stage if lane is not None]
        for lane in lanes:
            counts = found.setdefault(lane.publish.qos, Counts())
            if lane.marked:
                for index in range(lane.group.count):
                    counts.add(self._flow(lane.base + index, read=index in plan.read_back(lane)))
        for qos, each in self._unmarked_by_qos(plan, [lane for lane in lanes if not lane.marked]):
            found[qos].add(each)
        return found

    def _flow(self, flow: int, *, read: bool) -> Counts:
        sent, expected = self._sent.get(flow, 0), self._next[flow] if flow < len(self._next) else 0
        left = self._unacknowledged.get(flow, set())
        if not read:
            return Counts(sent, sent - len(left))
        missing = self._missing.get(flow, set()) | set(range(expected, sent))
        twice = self._duplicates.get(flow, 0)
        return Counts(sent, sent - len(left), sent - len(missing) + twice, len(missing - left), twice)

    def _unmarked_by_qos(self, plan: Plan, lanes: Sequence[Lane]) -> Iterable[tuple[int, Counts]]:
        """By topic, as nothing tells those of one topic apart; a topic that several lanes share counts for the first."""
        read = {lane.topic(index) for lane in lanes for index in plan.read_back(lane)}
        sent: Counter[str] = Counter()
        qualities: dict[str, int] = {}
        for lane in lanes:
            for index in range(lane.group.count):
                topic = lane.topic(index)
                sent[topic] += self._sent.get(lane.base + index, 0)
                qualities.setdefault(topic, lane.publish.qos)
        for topic, qos in qualities.items():
            acked, come = sent[topic] - self._unmarked[topic], self._topics.get(topic, 0)
            if topic not in read:
                yield qos, Counts(sent[topic], acked)
                continue
            yield qos, Counts(sent[topic], acked, come, max(0, acked - come), max(0, come - sent[topic]))
