"""The ground truth of a simulated car, which no sensor shows: what grows or has failed, when, and how worn each part is; as JSON.

Only a simulator can know it. It has a topic of its own, so that nobody who predicts failures meets it among the readings.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

import msgspec

from telemetry.errors import PayloadError
from telemetry.text import strip_nul

FailureMode = Literal["tyre", "drive_shaft", "cooling", "battery", "sensor_stuck", "sensor_drift", "sensor_dropout"]
MODES: Final[tuple[FailureMode, ...]] = get_args(FailureMode)


class CarTruth(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of one car at `time` (seconds since 1970, UTC).

    A failure's `mode` is told from the first symptom until the repair, `failed` from the failure itself. `time_to_failure_s`
    counts seconds of driving, the only ones that wear a part: 0 once it has failed, None while there is no symptom.
    """

    time: float
    car: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:\-]{1,64}\Z")]
    mode: FailureMode | None
    failed: bool
    time_to_failure_s: Annotated[float, msgspec.Meta(ge=0.0)] | None
    wear: dict[FailureMode, Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]]  # used share of each part's life

    def __post_init__(self) -> None:
        """Refuse what cannot be true together."""
        if (self.mode is None) != (self.time_to_failure_s is None) or (self.failed and self.time_to_failure_s != 0.0):
            raise ValueError("mode, failed and time_to_failure_s contradict each other")


_decoder = msgspec.json.Decoder(CarTruth)
_encoder = msgspec.json.Encoder()


def encode(truth: CarTruth) -> bytes:
    """The MQTT and Kafka payload, ~250 bytes."""
    return _encoder.encode(truth)


def decode(payload: bytes) -> CarTruth:
    """Read a payload.

    Raises:
        PayloadError: broken JSON, a field missing, of a wrong type or out of its range, fields that contradict each other.
    """
    try:
        return _decoder.decode(strip_nul(payload))
    except (msgspec.MsgspecError, ValueError, RecursionError) as broken:
        raise PayloadError(f"no car's truth: {broken}") from broken
