"""Logging what repeats itself many times a second, such as a broker that is away."""

from __future__ import annotations

import logging
import time

MOST_SENTENCES = 100  # they are few; this only bounds the memory


class Seldom:
    """Logs the same sentence at most once in `every_s`; a new sentence is logged at once."""

    def __init__(self, log: logging.Logger, every_s: float = 30.0) -> None:
        """`log` is where it goes."""
        self._log = log
        self._every_s = every_s
        self._told_s: dict[str, float] = {}

    def warning(self, sentence: str) -> None:
        """Log `sentence`, or not."""
        now_s = time.monotonic()
        if now_s - self._told_s.get(sentence, -self._every_s) < self._every_s:
            return
        if len(self._told_s) >= MOST_SENTENCES:
            self._told_s.clear()
        self._told_s[sentence] = now_s
        self._log.warning("%s", sentence)
