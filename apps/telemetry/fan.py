"""A fan's reading and the verdict on it, as JSON; the names are the contract of the old devices and dashboards."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from telemetry.errors import PayloadError
from telemetry.text import strip_nul

_DEVICE = msgspec.Meta(min_length=1, max_length=64)


class FanReading(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One reading; `time_stamp` is `YYYY-MM-DD HH:MM:SS`, as the devices send it."""

    device_id: Annotated[str, _DEVICE] = msgspec.field(name="deviceID")
    time_stamp: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\Z")]
    rotation: Annotated[float, msgspec.Meta(extra={"unit": "rpm"})]
    temperature: Annotated[float, msgspec.Meta(extra={"unit": "°C"})]
    vibration: Annotated[float, msgspec.Meta(extra={"unit": "mm/s"})]
    sound: Annotated[float, msgspec.Meta(extra={"unit": "dB"})]


class FanVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the scoring says of a fan: `fault` is the text `0` or `1`."""

    device_id: Annotated[str, _DEVICE] = msgspec.field(name="deviceID")
    fault: Literal["0", "1"]


_reading = msgspec.json.Decoder(FanReading)
_verdict = msgspec.json.Decoder(FanVerdict)


def encode(message: FanReading | FanVerdict) -> bytes:
    """The JSON payload."""
    return msgspec.json.encode(message)


def decode_reading(payload: bytes) -> FanReading:
    """Read a fan's reading.

    Raises:
        PayloadError: broken JSON, a value missing or of a wrong type.
    """
    try:
        return _reading.decode(strip_nul(payload))
    except (msgspec.MsgspecError, ValueError, RecursionError) as broken:
        raise PayloadError(f"no fan reading: {broken}") from broken


def decode_verdict(payload: bytes) -> FanVerdict:
    """Read a verdict.

    Raises:
        PayloadError: broken JSON, a value missing or of a wrong type.
    """
    try:
        return _verdict.decode(strip_nul(payload))
    except (msgspec.MsgspecError, ValueError, RecursionError) as broken:
        raise PayloadError(f"no verdict: {broken}") from broken
