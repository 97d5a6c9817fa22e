"""From a Kafka record to a line of InfluxDB's protocol. Pure."""

from __future__ import annotations

import zlib
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from telemetry import car, iotkit
from telemetry.line_protocol import encode
from telemetry.record import Record

AHEAD_S: Final = 300.0  # made so long after it arrived: a wrong clock, and the point lies where no query looks


class Series(BaseModel):
    """Which topic is decoded how and written where."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: str = Field(min_length=1, description="Kafka topic")
    codec: Literal["car", "iotkit"] = Field(description="how the payload is read")
    database: str = Field(min_length=1, description="InfluxDB database")
    measurement: str = Field(min_length=1, description="InfluxDB measurement")
    sample: int = Field(default=1, ge=1, description="cars only: every reading of one car in so many, and summaries of all")

    @property
    def summary(self) -> str:
        """The measurement of the summaries."""
        return f"{self.measurement}_summary"

    def samples(self, car_name: str) -> bool:
        """Whether this car is one of those whose every reading is written; the same cars always."""
        return zlib.crc32(car_name.encode()) % self.sample == 0


def _last_level(text: str) -> str:
    return text.rpartition("/")[2]


def car_reading(record: Record) -> car.CarReading:
    """What a car has sent.

    Raises:
        PayloadError: the record is no reading of a car.
    """
    return car.decode_json(record.value, car=_last_level(record.key), arrival_s=record.arrival_ms / 1000)


def car_line(series: Series, reading: car.CarReading, arrival_ms: int) -> bytes:
    """The point of one reading."""
    fields: dict[str, float | str] = {name: getattr(reading, name) for name in car.VALUES}
    if reading.failure_occurred is not None:
        fields["failure_occurred"] = reading.failure_occurred == "true"
    if reading.time > arrival_ms / 1000 + AHEAD_S:
        fields["clock_ahead"] = True
    return encode(series.measurement, {"car": reading.car}, fields, round(reading.time * 1000) * 1_000_000)


def _iotkit_line(series: Series, record: Record) -> bytes | None:
    if (kind := iotkit.kind_of(record)) != "sensor":
        iotkit.refuse_malformed(kind, record.value)
        return None
    origin, reading = iotkit.origin_of(record), iotkit.sensor(record.value)
    tags = {"device": origin.device, "sensor": f"0x{reading.sensor:02X}"}
    fields = {"temperature": reading.temperature, "humidity": reading.humidity, "condition": reading.condition}
    return encode(series.measurement, tags, fields, record.arrival_ms * 1_000_000)


def line(series: Series, record: Record) -> bytes | None:
    """The line of `record`; None if it is of a kind that has no series: only readings of sensors have one.

    Raises:
        PayloadError: the record cannot be read by the series' codec.
    """
    return car_line(series, car_reading(record), record.arrival_ms) if series.codec == "car" else _iotkit_line(series, record)
