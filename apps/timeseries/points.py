"""From a Kafka record to a line of InfluxDB's protocol. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from telemetry import car, iotkit
from telemetry.errors import PayloadError
from telemetry.line_protocol import encode
from telemetry.record import ARRIVAL, DEVICE, TOPIC, Headers, header

ARRIVAL_DIGITS = 15  # 13 until the year 2286


class Series(BaseModel):
    """Which topic is decoded how and written where."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: str = Field(min_length=1, description="Kafka topic")
    codec: Literal["car", "iotkit"] = Field(description="how the payload is read")
    database: str = Field(min_length=1, description="InfluxDB database")
    measurement: str = Field(min_length=1, description="InfluxDB measurement")


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record, freed of the client library."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: Headers
    timestamp_ms: int

    @property
    def arrival_ms(self) -> int:
        """When the bridge got it; Kafka's time if it did not come over the bridge.

        Raises:
            PayloadError: the header is a number, but no time; Python refuses to read one of 4,301 digits at all.
        """
        told = header(self.headers, ARRIVAL)
        if not told.isdecimal():
            return self.timestamp_ms
        if len(told) > ARRIVAL_DIGITS:
            raise PayloadError(f"the header {ARRIVAL} has {len(told)} digits, which is no time in milliseconds")
        return int(told)


def _last_level(text: str) -> str:
    return text.rpartition("/")[2]


def _car_line(series: Series, record: Record) -> bytes:
    reading = car.decode_json(record.value, car=_last_level(record.key), arrival_s=record.arrival_ms / 1000)
    fields: dict[str, float | str] = {name: getattr(reading, name) for name in car.VALUES}
    if reading.failure_occurred is not None:
        fields["failure_occurred"] = reading.failure_occurred == "true"
    return encode(series.measurement, {"car": reading.car}, fields, round(reading.time * 1000) * 1_000_000)


def _iotkit_fields(message: iotkit.IoTKitMessage) -> dict[str, float | str]:
    match message:
        case iotkit.SensorReading(_, temperature, humidity, condition):
            return {"temperature": temperature, "humidity": humidity, "condition": condition}
        case iotkit.Alert(source):
            return {"source": source}
        case iotkit.Button(state):
            return {"state": state}
        case iotkit.Rfid(tag):
            return {"tag": tag}
        case iotkit.Encoder(position):
            return {"position": position}


def _iotkit_line(series: Series, record: Record) -> bytes:
    origin = iotkit.origin(header(record.headers, TOPIC) or record.key)
    message = iotkit.decode(origin.kind, record.value)
    sensor = f"0x{message.sensor:02X}" if isinstance(message, iotkit.SensorReading) else ""
    tags = {"device": origin.device or header(record.headers, DEVICE), "kind": origin.kind, "sensor": sensor}
    return encode(series.measurement, tags, _iotkit_fields(message), record.arrival_ms * 1_000_000)


def line(series: Series, record: Record) -> bytes:
    """The line of `record`.

    Raises:
        PayloadError: the record cannot be read by the series' codec.
    """
    if not record.value:
        raise PayloadError("empty payload")
    return _car_line(series, record) if series.codec == "car" else _iotkit_line(series, record)
