"""A car's reading: 18 values with their units, the car and the time of the event; as JSON and as CSV.

The order of the fields is the contract of the CSV header and of the Avro record; JSON carries the same names.
Old devices send neither car nor time: the reader gives the car (from topic or key) and the time of arrival.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Final, Literal, get_type_hints

import msgspec

from telemetry.errors import PayloadError
from telemetry.text import integer, number, strip_nul, text


def _unit(unit: str, description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description, extra={"unit": unit})


_INT32 = msgspec.Meta(ge=-(2**31), le=2**31 - 1)  # Avro's int, which the registered schema uses
Pressure = Annotated[int, _INT32]
EARLIEST_S: Final = 946_684_800.0  # 2000-01-01: an earlier stamp is a clock that was never set, or another unit
LATEST_S: Final = 7_258_118_400.0  # 2200-01-01: nanoseconds of InfluxDB end in 2262; milliseconds land far above


class CarReading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reading of one car. `time` is the event's time in seconds since 1970 (UTC).

    Only old devices leave `time` and `car` out; what `decode_json` and `decode_csv` return has both.
    """

    time: Annotated[float, _unit("s", "time of the event, since 1970, UTC")] = 0.0
    car: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:\-]{0,64}\Z", description="the car's MQTT client id")] = ""
    coolant_temp: Annotated[float, _unit("°C", "coolant temperature")]
    intake_air_temp: Annotated[float, _unit("°C", "temperature of the air taken in")]
    intake_air_flow_speed: Annotated[float, _unit("g/s", "mass flow of the air taken in")]
    battery_percentage: Annotated[float, _unit("%", "charge of the battery")]
    battery_voltage: Annotated[float, _unit("V", "voltage of the battery (old documents say mV; the data are V)")]
    current_draw: Annotated[float, _unit("A", "current drawn from the battery, negative while it is charged")]
    speed: Annotated[float, _unit("m/s", "speed")]
    engine_vibration_amplitude: Annotated[float, _unit("mV", "vibration sensor of the engine")]
    throttle_pos: Annotated[float, _unit("1", "throttle, 0 closed to 1 open")]
    tire_pressure_1_1: Annotated[Pressure, _unit("psi", "tyre, front left")]
    tire_pressure_1_2: Annotated[Pressure, _unit("psi", "tyre, front right")]
    tire_pressure_2_1: Annotated[Pressure, _unit("psi", "tyre, back left")]
    tire_pressure_2_2: Annotated[Pressure, _unit("psi", "tyre, back right")]
    accelerometer_1_1_value: Annotated[float, _unit("m/s²", "accelerometer, front left")]
    accelerometer_1_2_value: Annotated[float, _unit("m/s²", "accelerometer, front right")]
    accelerometer_2_1_value: Annotated[float, _unit("m/s²", "accelerometer, back left")]
    accelerometer_2_2_value: Annotated[float, _unit("m/s²", "accelerometer, back right")]
    control_unit_firmware: Annotated[Pressure, _unit("1", "firmware of the control unit, 1000 or 2000")]
    failure_occurred: Literal["true", "false"] | None = None


NAMES: Final = CarReading.__struct_fields__
VALUES: Final = NAMES[2:20]  # the 18 values in the order of the contract
CSV_HEADER: Final = ",".join(NAMES[:20])
INTEGERS: Final = frozenset(name for name in VALUES if name.startswith("tire_pressure") or name == "control_unit_firmware")


def _units() -> dict[str, str]:
    hints = get_type_hints(CarReading, include_extras=True)
    metas = [(name, meta) for name, hint in hints.items() for meta in getattr(hint, "__metadata__", ())]
    return {name: meta.extra["unit"] for name, meta in metas if meta.extra}


UNITS: Final = _units()  # by field name

_CAR: Final = re.compile(r"[A-Za-z0-9._:\-]{1,64}")

_decoder = msgspec.json.Decoder(CarReading)
_encoder = msgspec.json.Encoder()


def encode_json(reading: CarReading) -> bytes:
    """The MQTT and Kafka payload, ~560 bytes."""
    return _encoder.encode(reading)


def _checked_time(time_s: float) -> float:
    if not EARLIEST_S <= time_s <= LATEST_S:
        raise PayloadError(f"time {time_s!r} is not in seconds since 1970 between 2000 and 2200")
    return time_s


def decode_json(payload: bytes, *, car: str = "", arrival_s: float = 0.0) -> CarReading:
    """Read a payload; `car` and `arrival_s` stand in for what an old device leaves out.

    Raises:
        PayloadError: broken JSON, a value missing or of a wrong type, NaN, no car, a time out of range.
    """
    try:
        reading = _decoder.decode(strip_nul(payload))
    except (msgspec.MsgspecError, ValueError, RecursionError) as broken:
        raise PayloadError(f"no car reading: {broken}") from broken
    if reading.car and EARLIEST_S <= reading.time <= LATEST_S:
        return reading
    time_s = _checked_time(reading.time or arrival_s)
    name = reading.car or car
    if not _CAR.fullmatch(name):
        raise PayloadError("no car in the payload, and topic or key name none" if not name else f"no car's name: {name[:80]!r}")
    return msgspec.structs.replace(reading, car=name, time=time_s)


def _cell(value: float | str) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < EARLIEST_S * 10 else str(value)


def encode_csv(reading: CarReading) -> str:
    """One row in the order of `CSV_HEADER`, without line end."""
    return ",".join(_cell(getattr(reading, name)) for name in NAMES[:20])


def decode_csv(row: bytes) -> CarReading:
    """Read one row of `CSV_HEADER`.

    Raises:
        PayloadError: not 20 cells, or a cell that is no number.
    """
    cells = text(row).split(",")
    if len(cells) != len(NAMES) - 1:
        raise PayloadError(f"{len(cells)} cells instead of {len(NAMES) - 1}")
    if not cells[1]:
        raise PayloadError("no car in the second cell")
    values = {
        name: integer(cell, name) if name in INTEGERS else number(cell, name)
        for name, cell in zip(VALUES, cells[2:], strict=True)
    }
    try:
        fields = {"time": _checked_time(number(cells[0], "time")), "car": cells[1], **values}
        return msgspec.convert(fields, CarReading)
    except msgspec.MsgspecError as broken:
        raise PayloadError(f"no car reading: {broken}") from broken


def is_finite(reading: CarReading) -> bool:
    """Whether every value is a finite number; a simulator's own check before it sends."""
    return all(math.isfinite(getattr(reading, name)) for name in VALUES)
