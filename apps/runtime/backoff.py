"""Waiting between attempts: longer each time, with jitter, so that a thousand clients do not come back as one."""

from __future__ import annotations

import random


class Backoff:
    """Full jitter: each wait is drawn between half and all of a limit that doubles from `first_s` to `most_s`."""

    def __init__(self, first_s: float, most_s: float, draw: random.Random | None = None) -> None:
        """`draw`: the source of the jitter; its own unless given."""
        self._first_s = first_s
        self._most_s = most_s
        self._limit_s = first_s
        self._draw = draw or random.Random()

    def next_s(self) -> float:
        """How long to wait now."""
        limit_s, self._limit_s = self._limit_s, min(self._limit_s * 2, self._most_s)
        return limit_s * self._draw.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: begin anew."""
        self._limit_s = self._first_s
