"""When each device is due: spread evenly over the interval, and never in a burst after a pause. Pure."""

from __future__ import annotations

import math


class Schedule:
    """Due times of `count` things that each happen every `interval_s`: one after the other, round and round."""

    def __init__(self, count: int, interval_s: float, start_s: float) -> None:
        """The first round is spread over one interval."""
        self.missed = 0  # turns that were not taken, because the whole round was late
        self._count = count
        self._interval_s = interval_s
        self._next_s = start_s if count else math.inf
        self._index = 0

    def next_s(self) -> float:
        """When the next one is due."""
        return self._next_s

    def take(self, now_s: float) -> list[int]:
        """The indices that are due; after a pause of a whole interval or more each is due once, and again an interval later."""
        if now_s < self._next_s:
            return []
        step_s = self._interval_s / self._count
        due = math.floor((now_s - self._next_s) / step_s + 1e-6) + 1
        taken = min(due, self._count)
        found = [(self._index + place) % self._count for place in range(taken)]
        self._index = (self._index + taken) % self._count
        self._next_s = self._next_s + due * step_s if due == taken else now_s + self._interval_s
        self.missed += due - taken
        return found
