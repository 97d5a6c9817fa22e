"""The course of a car's day: phases that follow each other by chance, and the speed that the driver wants in them."""

from __future__ import annotations

from typing import Final

import numpy as np

from fleet.draw import Draw, Floats, Places, Purpose
from fleet.state import Phase, State

LOW_BATTERY: Final = 15.0  # %: charge now
FULL_BATTERY: Final = 95.0
UNTIL_FULL_S: Final = 1e9  # charging ends by the battery
TRAFFIC_S: Final = 30.0  # mean time between two changes of the wanted speed
SHARES: Final = np.array([0.2, 0.4, 0.2, 0.2])  # how often each free phase is chosen
# by phase: from, to
SPEEDS: Final = np.array([(0, 0), (5, 15), (15, 25), (25, 42), (0, 0), (5, 14), (0, 0)], dtype=np.float64)  # m/s
DURATIONS_S: Final = np.array(
    [(30, 240), (60, 600), (60, 600), (120, 1200), (UNTIL_FULL_S, UNTIL_FULL_S), (300, 1200), (1200, 3600)], dtype=np.float64
)
TIME_SHARES: Final = SHARES * DURATIONS_S[:4].mean(axis=1)  # of the free phases, by how long they take
_UP_TO: Final = np.cumsum(SHARES)[:-1]


def between(table: Floats, phases: Places, uniform: Floats) -> Floats:
    """A value between the bounds of each phase."""
    low: Floats = table[phases, 0]
    high: Floats = table[phases, 1]
    return low + (high - low) * uniform


def enter(now: State, draw: Draw, some: Places, phases: Places) -> None:
    """`some` of the batch enter `phases`."""
    chosen = draw.of(some)
    now.phase[some] = phases
    now.left_s[some] = between(DURATIONS_S, phases, chosen.uniforms(Purpose.DURATION)[0])
    now.target[some] = between(SPEEDS, phases, chosen.uniforms(Purpose.TARGET)[0])


def advance(now: State, draw: Draw, step_s: float) -> Places:
    """One step; who of the batch has just reached the workshop."""
    now.left_s -= step_s
    phases = now.phases
    low = (now.battery < LOW_BATTERY) & (phases <= Phase.MOTORWAY)
    full = (now.battery >= FULL_BATTERY) & (phases == Phase.CHARGING)
    chance, target = draw.uniforms(Purpose.TRAFFIC)[0], draw.uniforms(Purpose.TARGET)[0]
    now.target[:] = np.where(chance < step_s / TRAFFIC_S, between(SPEEDS, phases, target), now.target)
    some = np.flatnonzero((now.left_s <= 0.0) | low | full)
    if not some.size:
        return some
    following = np.searchsorted(_UP_TO, draw.of(some).uniforms(Purpose.PHASE)[0], side="right")
    limped = phases[some] == Phase.LIMPING
    following[low[some]] = Phase.CHARGING
    following[limped] = Phase.WORKSHOP
    enter(now, draw, some, following)
    arrived: Places = some[limped]
    return arrived
