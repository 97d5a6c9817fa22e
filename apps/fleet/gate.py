"""Who may connect now: so many in a second over all, and few at once to one shard. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from fleet.session import Session

MOST_OPEN: Final = 48  # connects without a CONNACK: Mosquitto's listen backlog is small, and what overflows waits for seconds
BURST_S: Final = 0.05  # of unused time that may be caught up on


class Gate:
    """Sessions that wait for their turn, by shard; each shard gets the same share."""

    def __init__(self, shards: int, connects_per_s: float, start_s: float, most_open: int = MOST_OPEN) -> None:
        """Nobody waits; `most_open` is less where several processes connect to the same shards."""
        self._most_open = most_open
        self._waiting: list[deque[Session]] = [deque() for _ in range(shards)]
        self._count = 0  # of those that wait
        self._open = [0] * shards
        self._per_s = connects_per_s
        self._allowed = 0.0
        self._last_s = start_s

    def ask(self, session: Session) -> None:
        """This session wants to connect."""
        self._waiting[session.shard].append(session)
        self._count += 1

    def settle(self, session: Session) -> None:
        """This session, which `take` let through, is connected or has failed."""
        self._open[session.shard] -= 1

    def take(self, now_s: float) -> Iterator[Session]:
        """Who may connect."""
        most = max(1.0, self._per_s * BURST_S)
        self._allowed = min(self._allowed + (now_s - self._last_s) * self._per_s, most)
        self._last_s = now_s
        found = self._count > 0
        while found and self._allowed >= 1.0:
            found = False
            for shard, waiting in enumerate(self._waiting):
                if waiting and self._open[shard] < self._most_open and self._allowed >= 1.0:
                    self._allowed -= 1.0
                    self._open[shard] += 1
                    self._count -= 1
                    found = True
                    yield waiting.popleft()
