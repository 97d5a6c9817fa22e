"""Cars of one seed: one state for all of them, from which any batch lives on by an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from telemetry.truth import FailureMode

from fleet import course, wear
from fleet.begin import beginning
from fleet.car import move
from fleet.draw import Places, draw, keys
from fleet.readings import due
from fleet.sensors import Seen, look
from fleet.state import State

LONGEST_STEP_S: Final = 10.0  # of the model; a longer interval is cut into equal steps


@dataclass(frozen=True, slots=True)
class Traits:
    """What makes cars of the same seed and number the same."""

    seed: int
    interval_s: float
    failures_per_hour: float = 0.0  # of one car, in an hour of driving
    rates: Mapping[FailureMode, float] = field(default_factory=dict)  # the same of single modes, instead of their share


@dataclass(frozen=True, slots=True)
class Moment:
    """A batch after an interval: its state, what its sensors say, and who of it (places in the batch) tells its truth."""

    state: State
    seen: Seen
    due: Places


class Cars:
    """Cars by number; a car's state after k intervals follows from its traits, its number and k, whoever lives on with it.

    So a herd goes on where it was by living on k times, unseen: a million cars and intervals a second on one core in batches
    of 1,000 (2026-11-26, interval 10 s).
    """

    def __init__(self, numbers: range, traits: Traits) -> None:
        """They begin at staggered ages: a few worn, a few failed."""
        self._keys = keys(traits.seed, numbers)
        self._lives_h = wear.mean_lives_h(traits.failures_per_hour, traits.rates)
        self._steps = max(1, math.ceil(traits.interval_s / LONGEST_STEP_S))
        self._step_s = traits.interval_s / self._steps
        self._block = beginning(self._keys, self._lives_h)

    def live(self, places: Places) -> Moment:
        """Let these cars (indices, none twice) live on by one interval."""
        own, now = self._keys[places], State.of(self._block[places].T.copy())
        for _ in range(self._steps):
            now.step += 1.0
            chance = draw(own, now.step)
            wear.advance(now, chance, self._step_s)
            arrived = course.advance(now, chance, self._step_s)
            if arrived.size:
                wear.repair(now, chance, arrived, self._lives_h)
            severity = wear.severity(now)
            move(now, severity, self._step_s)
        now.readings += 1.0
        moment = Moment(now, look(now, severity, chance), due(now))
        self._block[places] = now.block.T
        return moment
