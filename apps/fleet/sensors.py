"""What a car's sensors say of its state: noise, the signatures of failing parts, and sensors that fail themselves.

Ranges follow the scaling of the original autoencoder: intake air 15..40 °C, battery 0..100 %, speed 0..50 m/s, vibration
0..7500 mV, throttle 0..1, tyres 20..35 psi, acceleration 0..7 m/s², firmware 1000 or 2000.

    tyre            one tyre loses 9 psi; its accelerometer shakes a little
    drive_shaft     vibration up to 1.6 times what the speed explains; all accelerometers shake
    cooling         the coolant passes the 62 °C of whole cars, up to its boiling point (fleet.car)
    battery         voltage sags by up to 25 V, and more under load (fleet.car)
    sensor_stuck    one sensor repeats its last value, ever more often, then always
    sensor_drift    air flow or one accelerometer tells ever more than there is
    sensor_dropout  one sensor says 0 now and then, then mostly
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from telemetry.car import INTEGERS, VALUES
from telemetry.truth import MODES

from fleet.car import DRIVE_SHAFT, MOTOR_W, TYRE
from fleet.draw import Draw, Floats, Places, Purpose
from fleet.state import State

FLOATS: Final = tuple(name for name in VALUES if name not in INTEGERS)  # the rows of what is seen, in the contract's order
INTS: Final = tuple(name for name in VALUES if name in INTEGERS)
LIMITS: Final = {
    "coolant_temp": (-20.0, 130.0),
    "intake_air_temp": (15.0, 40.0),
    "intake_air_flow_speed": (0.0, 300.0),
    "battery_percentage": (0.0, 100.0),
    "battery_voltage": (200.0, 420.0),
    "current_draw": (-800.0, 800.0),
    "speed": (0.0, 50.0),
    "engine_vibration_amplitude": (0.0, 7500.0),
    "throttle_pos": (0.0, 1.0),
} | {f"accelerometer_{place}_value": (0.0, 7.0) for place in ("1_1", "1_2", "2_1", "2_2")}
_LOW, _HIGH = (np.array([LIMITS[name][end] for name in FLOATS])[:, None] for end in (0, 1))
LOST_PSI: Final = 9.0
FLAT_PSI: Final = 2.0  # more, once it has failed
WARM_PSI_S_M: Final = 0.02  # a tyre that rolls is warm
IDLE_MV, MV_S_M = 60.0, 95.0  # vibration at rest, and what a m/s adds
WORN_VIBRATION: Final = 0.6
IDLE_G_S, G_S_S_M = 20.0, 4.5  # air flow at rest, and what a m/s adds
SHAKING_S: Final = 0.05  # of an accelerometer, m/s² for a m/s
HANGS, DROPS = 0.5, 0.3  # share of readings when symptoms are at their worst
ALWAYS, MOSTLY = 1.0, 0.8  # once failed
STUCK, DRIFT, DROPOUT = (MODES.index(mode) for mode in ("sensor_stuck", "sensor_drift", "sensor_dropout"))
_ACCELEROMETERS: Final = tuple(FLOATS.index(name) for name in FLOATS if name.startswith("acc"))
_FLOW, _VIBRATION = FLOATS.index("intake_air_flow_speed"), FLOATS.index("engine_vibration_amplitude")
FAULTY: Final = np.array([FLOATS.index("coolant_temp"), _FLOW, _VIBRATION, *_ACCELEROMETERS])  # rows of sensors that can fail
DRIFTING: Final = np.array([_FLOW, *_ACCELEROMETERS])
_DRIFTS: Final = np.array([60.0, 2.0, 2.0, 2.0, 2.0])  # g/s, m/s²


@dataclass(frozen=True, slots=True)
class Seen:
    """Readings of a batch: `floats` (FLOATS, cars), `ints` (INTS, cars), and whether each car has failed."""

    floats: Floats
    ints: NDArray[np.int64]
    failed: NDArray[np.bool_]


def _felt(now: State, severity: Floats, noise: Floats) -> Floats:
    """The accelerometers, shape (4, cars)."""
    shaking = 0.5 * severity[TYRE] * _leaks(now) + severity[DRIVE_SHAFT]
    felt: Floats = np.abs(np.abs(now.acceleration) + (0.02 + SHAKING_S * shaking) * now.speed + 0.15 * noise) + 0.01
    return felt


def _leaks(now: State) -> NDArray[np.bool_]:
    """Which tyre it is, or will be, shape (4, cars)."""
    leaks: NDArray[np.bool_] = np.arange(4)[:, None] == np.floor(now.place[TYRE] * 4.0)
    return leaks


def _pressures(now: State, severity: Floats) -> Floats:
    """Tyres, psi, shape (4, cars)."""
    lost = LOST_PSI * severity[TYRE] + FLAT_PSI * (now.failed == TYRE)
    pressures: Floats = now.tyres + WARM_PSI_S_M * now.speed - lost * _leaks(now)
    return pressures


def _sound(now: State, severity: Floats, noise: Floats) -> Floats:
    """What sound sensors say, shape (FLOATS, cars)."""
    vibration = (IDLE_MV + MV_S_M * now.speed) * (1.0 + WORN_VIBRATION * severity[DRIVE_SHAFT])
    return np.stack(
        [
            now.coolant + 0.3 * noise[4],
            now.air + 0.2 * noise[5],
            IDLE_G_S + G_S_S_M * now.speed + 2.0 * noise[6],
            now.battery,
            now.voltage + 0.3 * noise[7],
            now.current + 0.2 * noise[8],
            (now.speed + 0.1 * noise[9]) * (now.speed > 0.0),
            vibration * (1.0 + 0.03 * noise[10]) + 5.0 * noise[11],
            now.power_w / MOTOR_W,
            *_felt(now, severity, noise[:4]),
        ]
    )


def _hang(now: State, told: Floats, some: Places, chance: Floats) -> None:
    """Stuck sensors repeat what they said."""
    rows = FAULTY[(now.place[STUCK, some] * len(FAULTY)).astype(np.intp)]
    held = now.held[some]
    now.held[some] = told[rows, some] = np.where(chance & ~np.isnan(held), held, told[rows, some])


def _spoil(now: State, told: Floats, severity: Floats, draw: Draw) -> None:
    """Failing sensors change what they tell."""
    if (some := np.flatnonzero(severity[DRIFT])).size:
        which = (now.place[DRIFT, some] * len(DRIFTING)).astype(np.intp)
        told[DRIFTING[which], some] += _DRIFTS[which] * severity[DRIFT, some]
    if (some := np.flatnonzero(severity[STUCK])).size:
        share = np.where(now.failed[some] == STUCK, ALWAYS, HANGS * severity[STUCK, some])
        _hang(now, told, some, draw.of(some).uniforms(Purpose.FAULT, 2)[0] < share)
    if (some := np.flatnonzero(severity[DROPOUT])).size:
        share = np.where(now.failed[some] == DROPOUT, MOSTLY, DROPS * severity[DROPOUT, some])
        lost = some[draw.of(some).uniforms(Purpose.FAULT, 2)[1] < share]
        told[FAULTY[(now.place[DROPOUT, lost] * len(FAULTY)).astype(np.intp)], lost] = 0.0


def look(now: State, severity: Floats, draw: Draw) -> Seen:
    """Read all sensors; a stuck one remembers what it said."""
    told = _sound(now, severity, draw.normals(Purpose.NOISE, 12))
    _spoil(now, told, severity, draw)
    np.clip(told, _LOW, _HIGH, out=told)
    tyres = np.clip(np.rint(_pressures(now, severity)), 20.0, 35.0)
    return Seen(np.round(told, 4), np.vstack((tyres, now.firmware)).astype(np.int64), now.failed >= 0.0)
