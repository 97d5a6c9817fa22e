"""What a process of clients has sent, and which of it was never acknowledged."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from fleet.scenario.mark import mark_in, topic_of
from fleet.tally import Tally


class Sent(Tally):
    """A tally that remembers which messages were thrown away, refused or left: all others that were sent are acknowledged."""

    def __init__(self) -> None:
        """Nothing was sent."""
        super().__init__()
        self.flows: dict[int, int] = {}  # messages sent, by flow
        self.unacknowledged: dict[int, list[int]] = defaultdict(list)  # their numbers, by flow
        self.unmarked: Counter[str] = Counter()  # the same of MQTT 3.1.1, counted by topic

    def drop(self, packet: bytes) -> None:
        """As a tally; remember which."""
        super().drop(packet)
        mark = mark_in(packet)
        if mark is None:
            self.unmarked[topic_of(packet)] += 1
        else:
            self.unacknowledged[mark.flow].append(mark.number)

    def as_json(self) -> dict[str, Any]:
        """For whoever compares it with what has come."""
        return {
            "flows": list(self.flows.items()),
            "unacknowledged": list(self.unacknowledged.items()),
            "unmarked": dict(self.unmarked),
        }
