"""From a sensor's line to a JSON document. Pure."""

from __future__ import annotations

import msgspec
from telemetry import iotkit
from telemetry.errors import PayloadError
from telemetry.record import EDGE, Record, header


class HumTemp(msgspec.Struct, frozen=True):
    """Temperature in °C, humidity in % (battery on a Core2)."""

    temp: float
    hum: float


class Document(msgspec.Struct, frozen=True):
    """`{"humtemp": {"temp": 22.9, "hum": 36.9}, "device": …, "edge": …}`."""

    humtemp: HumTemp
    device: str
    edge: str


_encoder = msgspec.json.Encoder()


def document(record: Record) -> tuple[str, bytes] | None:
    """Key (the device) and document of a reading; None for what is none.

    Raises:
        PayloadError: it is none of its kind.
    """
    if (kind := iotkit.kind_of(record)) != "sensor":
        iotkit.refuse_malformed(kind, record.value)
        return None
    origin, reading = iotkit.origin_of(record), iotkit.sensor(record.value)
    made = Document(HumTemp(reading.temperature, reading.humidity), origin.device, header(record.headers, EDGE))
    try:
        return origin.device, _encoder.encode(made)
    except (msgspec.MsgspecError, UnicodeEncodeError) as broken:
        raise PayloadError(f"no JSON can be made of it: {broken}") from broken
