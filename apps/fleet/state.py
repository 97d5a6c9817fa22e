"""What changes from step to step in the cars of a batch: rows of one block of numbers, a column for each car."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from telemetry.truth import MODES

from fleet.draw import Floats, Places

TYRES_FROM: Final = 19
STATE_ROWS: Final = TYRES_FROM + 4
ROWS: Final = STATE_ROWS + 4 * len(MODES)


class Phase(IntEnum):
    """What a car is doing; the first four are chosen freely."""

    PARKED = 0
    CITY = 1
    ROAD = 2
    MOTORWAY = 3
    CHARGING = 4
    LIMPING = 5  # has failed, and drives slowly to the workshop
    WORKSHOP = 6


@dataclass(slots=True)
class State:
    """Views of a block of shape (ROWS, cars), which changes with them; all are floats, so that a batch is one copy."""

    block: Floats
    step: Floats  # of the model, so far
    phase: Floats
    left_s: Floats  # until the phase ends
    target: Floats  # speed that the driver wants, m/s
    speed: Floats  # m/s
    acceleration: Floats  # m/s², even over the last step
    power_w: Floats  # drawn from the battery, negative into it; mean of the last step, as voltage and current are
    voltage: Floats  # V
    current: Floats  # A
    battery: Floats  # %
    coolant: Floats  # °C
    air: Floats  # °C
    air_base: Floats  # °C, mean of this car's day
    failed: Floats  # index of the mode in MODES, -1 while nothing has failed
    held: Floats  # what a stuck sensor says; NaN before it first hangs
    told: Floats  # the last truth that was told, see fleet.readings
    turn: Floats  # of the truths that are told now and then
    readings: Floats  # so far
    firmware: Floats
    tyres: Floats  # psi of the whole tyres, shape (4, cars)
    remaining_h: Floats  # hours of driving until each part fails, infinite if it never does; this and the rest (modes, cars)
    life_h: Floats  # what these were when the part was new
    window_h: Floats  # how long before the failure symptoms grow
    place: Floats  # which tyre or sensor it will be, as a share 0..1

    @classmethod
    def of(cls, block: Floats) -> State:
        """The state that `block` holds."""
        parts = block[STATE_ROWS:].reshape(4, len(MODES), -1)
        rows: tuple[Floats, ...] = (block, *block[:TYRES_FROM], block[TYRES_FROM:STATE_ROWS], *parts)
        return cls(*rows)

    @property
    def phases(self) -> Places:
        """The phases as indices of tables."""
        return self.phase.astype(np.intp)
