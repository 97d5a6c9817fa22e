"""Waiting between attempts: longer each time, with jitter, so that a thousand clients do not come back as one."""

from __future__ import annotations

import random

MOST_DOUBLINGS = 60


def wait_s(attempt: int, first_s: float, most_s: float, draw: random.Random) -> float:
    """How long to wait after attempt number `attempt`, counted from 0: between half and all of a limit that doubles."""
    return min(first_s * 2.0 ** min(attempt, MOST_DOUBLINGS), most_s) * draw.uniform(0.5, 1.0)


class Backoff:
    """The waits of one that counts its attempts: the limit begins with `first_s` and grows up to `most_s`."""

    def __init__(self, first_s: float, most_s: float, draw: random.Random | None = None) -> None:
        """`draw`: the source of the jitter; its own unless given."""
        self._first_s = first_s
        self._most_s = most_s
        self._attempt = 0
        self._draw = draw or random.Random()

    def next_s(self) -> float:
        """How long to wait now."""
        self._attempt += 1
        return wait_s(self._attempt - 1, self._first_s, self._most_s, self._draw)

    def reset(self) -> None:
        """It worked: begin anew."""
        self._attempt = 0
