"""When each device is due: spread evenly over the interval, and never in a burst after a pause. Pure."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator


class Schedule:
    """Due times of `count` things that each happen every `interval_s`."""

    def __init__(self, count: int, interval_s: float, start_s: float) -> None:
        """The first round is spread over one interval."""
        self._interval_s = interval_s
        self._due = [(start_s + index * interval_s / count, index) for index in range(count)]
        heapq.heapify(self._due)

    def next_s(self) -> float:
        """When the next one is due."""
        return self._due[0][0] if self._due else math.inf

    def take(self, now_s: float) -> Iterator[int]:
        """The indices that are due; one that is late by a whole interval or more skips what it has missed."""
        while self._due and self._due[0][0] <= now_s:
            due_s, index = self._due[0]
            next_s = due_s + self._interval_s
            if next_s <= now_s:
                next_s = now_s + self._interval_s
            heapq.heapreplace(self._due, (next_s, index))
            yield index
