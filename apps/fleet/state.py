"""What changes from step to step in the cars of a batch: rows of one block of numbers, a column for each car."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from telemetry.truth import MODES

from fleet.draw import Floats, Places

STATE_ROWS: Final = 23
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


class State:
    """Views of a block of shape (ROWS, cars); all numbers are floats, so that a batch is one copy."""

    __slots__ = (
        *("acceleration", "air", "air_base", "battery", "block", "coolant", "current", "failed", "firmware", "held", "left_s"),
        *("life_h", "phase", "place", "power_w", "readings", "remaining_h", "speed", "step", "target", "told", "turn"),
        *("tyres", "voltage", "window_h"),
    )

    def __init__(self, block: Floats) -> None:
        """Changes go to `block`."""
        self.block = block
        (
            self.step,
            self.phase,
            self.left_s,  # until the phase ends
            self.target,  # speed that the driver wants, m/s
            self.speed,  # m/s
            self.acceleration,  # m/s², even over the last step
            self.power_w,  # drawn from the battery, negative into it; mean of the last step, as voltage and current are
            self.voltage,  # V
            self.current,  # A
            self.battery,  # %
            self.coolant,  # °C
            self.air,  # °C
            self.air_base,  # °C, mean of this car's day
            self.failed,  # index of the mode in MODES, -1 while nothing has failed
            self.held,  # what a stuck sensor says; NaN before it first hangs
            self.told,  # the last truth that was told, see fleet.readings
            self.turn,  # of the truths that are told now and then, 0..59
            self.readings,  # so far
            self.firmware,
        ) = block[:19]
        self.tyres = block[19:STATE_ROWS]  # psi of the whole tyres
        parts = block[STATE_ROWS:].reshape(4, len(MODES), -1)
        self.remaining_h = parts[0]  # hours of driving until each part fails; infinite if it never does
        self.life_h = parts[1]  # what these were when the part was new
        self.window_h = parts[2]  # how long before the failure symptoms grow
        self.place = parts[3]  # which tyre or sensor it will be, as a share 0..1

    @property
    def phases(self) -> Places:
        """The phases as indices of tables."""
        return self.phase.astype(np.intp)
