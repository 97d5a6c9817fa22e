"""One fan: healthy most of the time, with spells of a fault that shows in all four values. Pure.

Ranges are those of the training data: healthy 500..700 rpm, 35..45 °C, 100..200 mm/s, 45..52 dB; faulty 400..650, 35..55,
100..250, 45..60.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Final

from telemetry.fan import FanReading, encode

HEALTHY: Final = ((500.0, 700.0), (35.0, 45.0), (100.0, 200.0), (45.0, 52.0))
FAULTY: Final = ((400.0, 650.0), (35.0, 55.0), (100.0, 250.0), (45.0, 60.0))
SPELL_S: Final = (60.0, 300.0)
FAULTS_PER_HOUR: Final = 0.5


class Fan:
    """One fan; the same `seed` and `number` give the same readings for the same calls."""

    def __init__(self, name: str, number: int, seed: int) -> None:
        """`name` is its client id; the readings carry its number."""
        self.name = name
        self._number = number
        self._draw = random.Random(f"fan/{seed}/{number}")
        self._faulty_s = 0.0

    def reading(self, seconds: float, time_s: float) -> bytes:
        """What it publishes after `seconds`, at `time_s`."""
        self._faulty_s = max(0.0, self._faulty_s - seconds)
        if not self._faulty_s and self._draw.random() < FAULTS_PER_HOUR / 3600.0 * seconds:
            self._faulty_s = self._draw.uniform(*SPELL_S)
        values = [round(self._draw.uniform(low, high), 1) for low, high in (FAULTY if self._faulty_s else HEALTHY)]
        rotation, temperature, vibration, sound = values
        return encode(
            FanReading(
                device_id=str(self._number),
                time_stamp=datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S"),
                rotation=rotation,
                temperature=temperature,
                vibration=vibration,
                sound=sound,
            )
        )
