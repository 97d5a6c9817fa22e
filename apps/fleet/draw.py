"""Random numbers that need no generator: each follows from seed, device, step and purpose by mixing their bits.

So a car's numbers are the same whatever other cars are asked in the same call, and a step can be repeated. The mixing is
splitmix64's (Steele, Lea, Flood 2014), which passes the usual batteries of tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bits = NDArray[np.uint64]
Places = NDArray[np.intp]  # of devices in a batch

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_STEP: Final = np.uint64(0xD1342543DE82EF95)  # odd, so that no two steps share a stream
_TO_UNIT: Final = 2.0**-53
_LANES, _LOW_LANE = np.uint64(0x0000FFFF0000FFFF), np.uint64(0xFFFFFFFF)  # a number of 64 bits is taken as four of 16
_TO_NORMAL: Final = 3.0**0.5 / 2.0**16
_MIDDLE: Final = 2.0 * (2**16 - 1) * _TO_NORMAL


class Purpose(IntEnum):
    """What a number is for; those of one step must differ. A purpose that takes several numbers has room behind it."""

    PHASE = 0
    DURATION = 1
    TARGET = 2
    TRAFFIC = 3
    LIFE = 16  # of each part
    WINDOW = 32
    PLACE = 48
    NOISE = 64  # of each sensor
    HANG = 96
    DROP = 97
    BEGIN = 128  # the state at the beginning
    BEGIN_LIFE = 160
    BEGIN_USED = 176


def _mixed(bits: Bits) -> Bits:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def keys(seed: int, numbers: range) -> Bits:
    """One key for each device; `seed` is any integer."""
    start = _mixed(np.array([seed % 2**64], dtype=np.uint64))
    return _mixed(start + np.arange(numbers.start, numbers.stop, dtype=np.uint64) * _GOLDEN)


@dataclass(frozen=True, slots=True)
class Draw:
    """The numbers of some devices, each at a step of its own; `streams` has one entry per device."""

    streams: Bits

    def _bits(self, purpose: Purpose, count: int) -> Bits:
        offsets = np.arange(purpose + 1, purpose + 1 + count, dtype=np.uint64) * _GOLDEN
        return _mixed(self.streams + offsets[:, None])

    def uniforms(self, purpose: Purpose, count: int = 1) -> Floats:
        """Evenly in [0, 1), shape (count, devices)."""
        return (self._bits(purpose, count) >> np.uint64(11)).astype(np.float64) * _TO_UNIT

    def normals(self, purpose: Purpose, count: int) -> Floats:
        """Of mean 0 and deviation 1, shape (count, devices); the sum of four even ones, so never beyond 3.5."""
        bits = self._bits(purpose, count)
        pairs = (bits & _LANES) + (bits >> np.uint64(16) & _LANES)
        return ((pairs & _LOW_LANE) + (pairs >> np.uint64(32))).astype(np.float64) * _TO_NORMAL - _MIDDLE

    def of(self, some: Places) -> Draw:
        """The same numbers for some of the devices alone."""
        return Draw(self.streams[some])


def draw(device_keys: Bits, steps: Floats) -> Draw:
    """The numbers of these devices at these steps, one entry per device each."""
    return Draw(_mixed(device_keys + steps.astype(np.uint64) * _STEP))
