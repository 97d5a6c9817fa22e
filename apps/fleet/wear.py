"""Wear and failures: each part has a life in hours of driving, its symptoms grow near the end, then the car has failed.

A failed car limps to a workshop, which renews every part that shows symptoms; it stands there whole again. Lives are drawn
evenly between half and one and a half of their mean, so a mode's rate is one failure in the mean life.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from telemetry.truth import MODES, FailureMode

from fleet.course import DURATIONS_S, enter
from fleet.draw import Draw, Floats, Places, Purpose
from fleet.state import Phase, State

SHARES: Final[dict[FailureMode, float]] = {  # of all failures
    "tyre": 0.20,
    "drive_shaft": 0.15,
    "cooling": 0.15,
    "battery": 0.15,
    "sensor_stuck": 0.10,
    "sensor_drift": 0.15,
    "sensor_dropout": 0.10,
}
USUAL_FAILURES_PER_HOUR: Final = 0.05  # of one car in an hour of driving, all modes together
WINDOW_H: Final = (0.5, 2.0)  # symptoms grow so long, but never longer than half of the part's life
SHORTEST_LIFE, LONGEST_LIFE = 0.5, 1.5  # of the mean


def mean_lives_h(failures_per_hour: float, rates: Mapping[FailureMode, float]) -> Floats:
    """By mode, hours of driving: `rates` (failures an hour) where a mode is named there, else its share of all failures."""
    chosen = [rates.get(mode, failures_per_hour * SHARES[mode]) for mode in MODES]
    return np.array([1.0 / rate if rate else math.inf for rate in chosen])


def window_h(life_h: Floats, uniform: Floats) -> Floats:
    """How long before the failure symptoms grow."""
    low, high = WINDOW_H
    return np.minimum(low + (high - low) * uniform, life_h / 2.0)


def severity(now: State) -> Floats:
    """Of each mode 0..1, shape (modes, cars)."""
    return np.clip(1.0 - now.remaining_h / now.window_h, 0.0, 1.0)


def _renew(now: State, draw: Draw, some: Places, parts: Places, lives_h: Floats) -> None:
    """New parts; `some` and `parts` name them in pairs."""
    drawn = draw.of(some)
    at = (parts, np.arange(len(some)))
    spread = LONGEST_LIFE - SHORTEST_LIFE
    life = lives_h[parts] * (SHORTEST_LIFE + spread * drawn.uniforms(Purpose.LIFE, len(MODES))[at])
    now.life_h[parts, some] = now.remaining_h[parts, some] = life
    now.window_h[parts, some] = window_h(life, drawn.uniforms(Purpose.WINDOW, len(MODES))[at])
    now.place[parts, some] = drawn.uniforms(Purpose.PLACE, len(MODES))[at]


def repair(now: State, draw: Draw, some: Places, lives_h: Floats) -> None:
    """The workshop has `some` of the batch: whatever has failed or shows symptoms is renewed."""
    parts, which = np.nonzero(now.remaining_h[:, some] < now.window_h[:, some])
    _renew(now, draw, some[which], parts, lives_h)
    now.failed[some] = -1.0
    now.held[some] = np.nan
    now.coolant[some] = now.air[some]  # filled up afresh


def advance(now: State, draw: Draw, step_s: float) -> None:
    """One step of wear; who fails begins to limp."""
    drives = (now.speed > 0.0) & (now.failed < 0.0)
    now.remaining_h -= drives * (step_s / 3600.0)
    some = np.flatnonzero(drives & (now.remaining_h.min(axis=0) <= 0.0))
    if some.size:
        now.failed[some] = now.remaining_h[:, some].argmin(axis=0)
        enter(now, draw, some, np.full(some.size, Phase.LIMPING))


def away_shares(lives_h: Floats, driving: float) -> tuple[float, float]:
    """Shares of cars that limp and that are in the workshop; `driving` is the share of time that a whole car drives."""
    failures_s = float((1.0 / lives_h).sum()) * driving / 3600.0
    limping_s, workshop_s = DURATIONS_S[Phase.LIMPING].mean(), DURATIONS_S[Phase.WORKSHOP].mean()
    cycle = 1.0 + failures_s * (limping_s + workshop_s)
    return failures_s * limping_s / cycle, failures_s * workshop_s / cycle
