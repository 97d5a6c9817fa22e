"""Cars in the middle of their lives: a first state drawn as long simulated days would leave it, without simulating them.

Without it all cars would be new at the first step, and nothing would fail for hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from telemetry.truth import MODES

from fleet import course, wear
from fleet.car import AIR_SWING_K
from fleet.draw import Bits, Draw, Floats, Purpose, draw
from fleet.readings import TRUTH_EVERY
from fleet.state import ROWS, Phase, State

CHARGING_SHARE: Final = 0.20  # of a whole car's time, as 500 cars did in 24 h (2026-11); the phases take the rest
_FREE: Final = course.TIME_SHARES / course.TIME_SHARES.sum() * (1.0 - CHARGING_SHARE)
DRIVING_SHARE: Final = 1.0 - CHARGING_SHARE - float(_FREE[Phase.PARKED])


@dataclass(frozen=True, slots=True)
class Lot:
    """What a car draws once."""

    phase: Floats
    left: Floats
    target: Floats
    battery: Floats
    coolant: Floats
    air: Floats
    mode: Floats
    firmware: Floats
    turn: Floats
    tyres: Floats


def _lot(drawn: Draw) -> Lot:
    drawn_rows = drawn.uniforms(Purpose.BEGIN, 13)
    rows: tuple[Floats, ...] = (*drawn_rows[:9], drawn_rows[9:])
    return Lot(*rows)


def _lives(now: State, drawn: Draw, lives_h: Floats) -> None:
    """Long lives are met more often than short ones, and at an even point of theirs."""
    count, shortest = len(MODES), wear.SHORTEST_LIFE
    share = np.sqrt(shortest**2 + (wear.LONGEST_LIFE**2 - shortest**2) * drawn.uniforms(Purpose.BEGIN_LIFE, count))
    now.life_h[:] = lives_h[:, None] * share
    now.window_h[:] = wear.window_h(now.life_h, drawn.uniforms(Purpose.WINDOW, count))
    now.place[:] = drawn.uniforms(Purpose.PLACE, count)
    left = 1.0 - drawn.uniforms(Purpose.BEGIN_USED, count)  # never 0, so that what never fails stays infinite
    now.remaining_h[:] = now.life_h * left


def _failed(now: State, lot: Lot, lives_h: Floats) -> None:
    """Some limp already, with one part at its end."""
    limping = np.flatnonzero(now.phase == Phase.LIMPING)
    if limping.size:
        rates = np.cumsum(1.0 / lives_h)
        modes = np.searchsorted(rates / rates[-1], lot.mode[limping], side="right")
        now.failed[limping] = modes
        now.remaining_h[modes, limping] = 0.0


def beginning(keys: Bits, lives_h: Floats) -> Floats:
    """The first state of these cars, shape (cars, ROWS); `lives_h` is each mode's mean life in hours of driving."""
    block = np.zeros((ROWS, len(keys)))
    now, drawn = State.of(block), draw(keys, np.zeros(len(keys)))
    lot = _lot(drawn)
    limping, workshop = wear.away_shares(lives_h, DRIVING_SHARE)
    up_to = np.cumsum([*_FREE, CHARGING_SHARE]) * (1.0 - limping - workshop)
    now.phase[:] = np.searchsorted([*up_to, 1.0 - workshop], lot.phase, side="right")
    now.failed[:], now.held[:] = -1.0, np.nan
    now.left_s[:] = course.between(course.DURATIONS_S, now.phases, lot.left) * (1.0 - lot.left)
    now.target[:] = now.speed[:] = course.between(course.SPEEDS, now.phases, lot.target)
    now.battery[:] = course.LOW_BATTERY + (course.FULL_BATTERY - course.LOW_BATTERY) * lot.battery
    now.air_base[:] = 21.0 + 8.0 * lot.air
    now.air[:] = now.air_base
    now.coolant[:] = now.air_base + AIR_SWING_K + 15.0 * lot.coolant
    now.tyres[:] = 31.0 + 3.0 * lot.tyres
    now.turn[:] = np.floor(TRUTH_EVERY * lot.turn)
    now.firmware[:] = 1000.0 + 1000.0 * np.rint(lot.firmware)
    _lives(now, drawn, lives_h)
    _failed(now, lot, lives_h)
    return np.ascontiguousarray(block.T)
