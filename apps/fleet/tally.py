"""What the sessions count, in plain numbers: one thread writes, any may read. Pure."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from typing import Final

A_DECADE: Final = 20  # buckets: a quantile is right within 12 %
DECADES: Final = 6
SHORTEST_S: Final = 1e-4
WINDOW_S: Final = 10
MOST_COMMANDS: Final = 1000  # devices whose last command is remembered


class Latencies:
    """Times as counts in buckets that grow by the same factor, from 0.1 ms to 100 s; all of them, and those of the last 10 s."""

    def __init__(self) -> None:
        """Nothing was measured yet."""
        self._size = A_DECADE * DECADES + 1
        self.counts = [0] * self._size
        self.sum_s = 0.0
        self._second = 0
        self._recent = [[0] * self._size for _ in range(WINDOW_S)]

    def add(self, latency_s: float, now_s: float) -> None:
        """One more."""
        place = int(math.log10(latency_s / SHORTEST_S) * A_DECADE) + 1 if latency_s > SHORTEST_S else 0
        place = min(place, self._size - 1)
        self.sum_s += latency_s
        self.counts[place] += 1
        if int(now_s) != self._second:
            self._move_on(int(now_s))
        self._recent[self._second % WINDOW_S][place] += 1

    def _move_on(self, second: int) -> None:
        for passed in range(max(self._second + 1, second - WINDOW_S + 1), second + 1):
            self._recent[passed % WINDOW_S] = [0] * self._size
        self._second = second

    def quantiles_s(self, wanted: tuple[float, ...], now_s: float) -> list[float]:
        """Upper bounds of these quantiles over the last 10 s; NaN if there is nothing."""
        seconds = [each for each in range(self._second - WINDOW_S + 1, self._second + 1) if each > int(now_s) - WINDOW_S]
        counts = [sum(column) for column in zip(*(self._recent[each % WINDOW_S] for each in seconds), strict=True)]
        total = sum(counts)
        return [self._bound_s(counts, share * total) if total else math.nan for share in wanted]

    @staticmethod
    def bound_s(place: int) -> float:
        """The upper end of a bucket."""
        return SHORTEST_S * math.pow(10.0, place / A_DECADE)

    def _bound_s(self, counts: list[int], rank: float) -> float:
        seen = 0
        for place, count in enumerate(counts):
            seen += count
            if seen >= rank and count:
                return self.bound_s(place)
        return self.bound_s(self._size - 1)


class Tally:
    """The counts of one engine: sent = acknowledged + dropped + kept or on the way."""

    def __init__(self) -> None:
        """All are zero."""
        self.sent = self.acked = self.dropped = self.resent = self.rejected = 0
        self.sent_bytes = self.received_bytes = 0
        self.connected = self.connects = self.lost = self.commands = self.missed = 0
        self.refused: Counter[str] = Counter()  # by reason
        self.devices: dict[str, int] = {}  # by kind
        self.latencies = Latencies()
        self.last_commands: OrderedDict[str, bytes] = OrderedDict()

    def drop(self, packet: bytes) -> None:
        """A reading, as the packet that it was to travel in, was thrown away or refused."""
        del packet  # here they are only counted
        self.dropped += 1

    def command(self, client_id: str, payload: bytes) -> None:
        """A device got a command; the last one of the `MOST_COMMANDS` devices that got one last is remembered."""
        self.commands += 1
        self.last_commands[client_id] = payload
        self.last_commands.move_to_end(client_id)
        if len(self.last_commands) > MOST_COMMANDS:
            self.last_commands.popitem(last=False)
