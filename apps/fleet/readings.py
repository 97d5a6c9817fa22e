"""What cars publish of their state: the readings, and the ground truth beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from telemetry.car import CarReading
from telemetry.truth import MODES, CarTruth

from fleet.draw import Places
from fleet.sensors import Seen
from fleet.state import State

TRUTH_EVERY: Final = 60  # readings


def readings(names: Sequence[str], seen: Seen, time_s: float) -> Iterator[CarReading]:
    """The readings of these cars at `time_s`."""
    time_s = round(time_s, 3)
    rows = zip(names, seen.floats.T.tolist(), seen.ints.T.tolist(), seen.failed.tolist(), strict=True)
    for name, floats, ints, failed in rows:
        yield CarReading(
            time=time_s,
            car=name,
            coolant_temp=floats[0],
            intake_air_temp=floats[1],
            intake_air_flow_speed=floats[2],
            battery_percentage=floats[3],
            battery_voltage=floats[4],
            current_draw=floats[5],
            speed=floats[6],
            engine_vibration_amplitude=floats[7],
            throttle_pos=floats[8],
            tire_pressure_1_1=ints[0],
            tire_pressure_1_2=ints[1],
            tire_pressure_2_1=ints[2],
            tire_pressure_2_2=ints[3],
            accelerometer_1_1_value=floats[9],
            accelerometer_1_2_value=floats[10],
            accelerometer_2_1_value=floats[11],
            accelerometer_2_2_value=floats[12],
            control_unit_firmware=ints[4],
            failure_occurred="true" if failed else "false",
        )


def truth(name: str, now: State, place: int, time_s: float) -> CarTruth:
    """The truth of the car at `place` of a batch."""
    remaining_h, failed = now.remaining_h[:, place], bool(now.failed[place] >= 0.0)
    growing = np.where(remaining_h < now.window_h[:, place], remaining_h, np.inf)
    nearest = int(growing.argmin())
    life_h = now.life_h[:, place]
    left = np.divide(remaining_h, life_h, out=np.ones(len(MODES)), where=np.isfinite(life_h))
    symptoms = bool(np.isfinite(growing[nearest]))
    left_s = 0.0 if failed else max(0.0, float(growing[nearest]) * 3600.0)
    return CarTruth(
        time=round(time_s, 3),
        car=name,
        mode=MODES[nearest] if symptoms else None,
        failed=failed,
        time_to_failure_s=round(left_s, 1) if symptoms else None,
        wear=dict(zip(MODES, np.round(1.0 - np.maximum(left, 0.0), 5).tolist(), strict=True)),
    )


def due(now: State) -> Places:
    """Who of a batch tells its truth with this reading: whose truth has changed, and each at its turn of every 60th."""
    growing = np.where(now.remaining_h < now.window_h, now.remaining_h, np.inf)
    true = np.where(np.isfinite(growing.min(axis=0)), growing.argmin(axis=0), -1) + len(MODES) * (now.failed >= 0.0)
    changed = (true != now.told) & (now.readings > 1.0)
    now.told[:] = true
    return np.flatnonzero(changed | ((now.readings + now.turn) % TRUTH_EVERY == 0.0))
