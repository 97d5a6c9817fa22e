"""Simulated cars that live through hours of readings, and what was seen of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from fleet.cars import Cars, Moment, Traits

INTERVAL_S = 10.0


def hours(cars: int, length_h: float, traits: Traits) -> Iterator[Moment]:
    """All of these cars, interval by interval."""
    herd, everyone = Cars(range(1, cars + 1), traits), np.arange(cars)
    for _ in range(round(length_h * 3600.0 / traits.interval_s)):
        yield herd.live(everyone)
