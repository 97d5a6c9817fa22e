"""One IoTKit board: a machine that rests, works and now and then runs hot, felt by sensors and hands. Pure.

Temperatures follow the classes that real boards have shown: low 20.4..24.4 °C, middle 25.4..27.8 °C, high 30.4..33.9 °C.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from telemetry.iotkit import Alert, Button, Condition, Encoder, IoTKitMessage, Rfid, SensorReading, encode

SENSOR: Final = 0xBC
TEMPERATURES: Final[dict[Condition, tuple[float, float]]] = {
    "low": (20.4, 24.4),
    "middle": (25.4, 27.8),
    "high": (30.4, 33.9),
}
DURATIONS_S: Final[dict[Condition, tuple[float, float]]] = {
    "low": (60.0, 240.0),
    "middle": (120.0, 600.0),
    "high": (30.0, 90.0),
}
HANDS_PER_HOUR: Final = 6.0  # for each of button, tag and encoder
TAGS: Final = ("04:A1:3F:5C", "04:B7:22:90", "04:C2:7E:11")


class Board:
    """One board; the same `seed` and `number` give the same messages for the same calls."""

    def __init__(self, name: str, number: int, seed: int, abnormal_per_hour: float) -> None:
        """`name` is the board's client id and the level of its topics; a machine that runs hot raises one alert each time."""
        self.name = name
        self._draw = random.Random(f"board/{seed}/{number}")
        self._abnormal_per_s = abnormal_per_hour / 3600.0
        self._position = 0
        self._begin("low")

    def _begin(self, condition: Condition) -> None:
        low, high = TEMPERATURES[condition]
        self._condition: Condition = condition
        self._left_s = self._draw.uniform(*DURATIONS_S[condition])
        self._temperature = self._draw.uniform(low, high)

    def _happens(self, per_s: float, seconds: float) -> bool:
        return self._draw.random() < per_s * seconds

    def messages(self, seconds: float) -> Iterator[tuple[str, bytes]]:
        """Kind and payload of what happens in `seconds`; the sensor's line comes first."""
        self._left_s -= seconds
        alert = self._condition != "high" and self._happens(self._abnormal_per_s, seconds)
        if alert:
            self._begin("high")
        elif self._left_s <= 0.0:
            self._begin("low" if self._condition == "middle" else "middle")
        yield "sensor", encode(self._reading())
        if alert:
            yield "alert", encode(Alert("hall"))
        for kind, message in self._hands(seconds):
            yield kind, encode(message)

    def _reading(self) -> SensorReading:
        low, high = TEMPERATURES[self._condition]
        self._temperature = min(max(self._temperature + self._draw.gauss(0.0, 0.15), low), high)
        humidity = min(max(52.0 - 1.1 * (self._temperature - 20.0) + self._draw.gauss(0.0, 0.8), 20.0), 80.0)
        return SensorReading(SENSOR, round(self._temperature, 2), round(humidity, 1), self._condition)

    def _hands(self, seconds: float) -> Iterator[tuple[str, IoTKitMessage]]:
        per_s = HANDS_PER_HOUR / 3600.0
        if self._happens(per_s, seconds):
            yield "button", Button("ON")
        if self._happens(per_s, seconds):
            yield "rfid", Rfid(self._draw.choice(TAGS))
        if self._happens(per_s, seconds):
            self._position += self._draw.choice((-1, 1)) * self._draw.randint(1, 10)
            yield "encoder", Encoder(self._position)
