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
_ROWS: Final = (  # by FLOATS: the least and the most that a sensor can say, and the deviation of its noise
    (-20.0, 130.0, 0.3),  # °C
    (15.0, 40.0, 0.2),
    (0.0, 300.0, 2.0),  # g/s
    (0.0, 100.0, 0.0),  # %, counted and not measured
    (200.0, 420.0, 0.3),  # V
    (-800.0, 800.0, 0.2),  # A
    (0.0, 50.0, 0.1),  # m/s
    (0.0, 7500.0, 5.0),  # mV
    (0.0, 1.0, 0.0),
    *((0.0, 7.0, 0.15),) * 4,  # m/s²
)
_LOW, _HIGH, _DEVIATIONS = np.array(_ROWS).T[:, :, None]
TYRE_PSI: Final = (20.0, 35.0)
LOST_PSI: Final = 9.0
FLAT_PSI: Final = 2.0  # more, once it has failed
WARM_PSI_S_M: Final = 0.02  # a tyre that rolls is warm
IDLE_MV, MV_S_M = 60.0, 95.0  # vibration at rest, and what a m/s adds
WORN_VIBRATION: Final = 0.6
IDLE_G_S, G_S_S_M = 20.0, 4.5  # air flow at rest, and what a m/s adds
VIBRATION_SPREAD: Final = 0.03  # deviation of the vibration as a share of it
ROAD_S, SHAKING_S = 0.02, 0.05  # of an accelerometer, m/s² for a m/s: any road, and a drive shaft that fails
FLAT_SHAKING: Final = 0.5  # of that, at a tyre that leaks
LEAST_M_S2: Final = 0.01  # an accelerometer is never at exactly 0
HANGS, DROPS = 0.5, 0.3  # share of readings when symptoms are at their worst
ALWAYS, MOSTLY = 1.0, 0.8  # once failed
STUCK, DRIFT, DROPOUT = (MODES.index(mode) for mode in ("sensor_stuck", "sensor_drift", "sensor_dropout"))
_COOLANT, _FLOW, _SPEED, _VIBRATION = (
    FLOATS.index(name) for name in ("coolant_temp", "intake_air_flow_speed", "speed", "engine_vibration_amplitude")
)
_ACCELEROMETERS: Final = [FLOATS.index(name) for name in FLOATS if name.startswith("accelerometer")]
FAULTY: Final = np.array([_COOLANT, _FLOW, _VIBRATION, *_ACCELEROMETERS])  # rows of the sensors that can fail
DRIFTING: Final = np.array([_FLOW, *_ACCELEROMETERS])
_DRIFTS: Final = np.array([60.0, 2.0, 2.0, 2.0, 2.0])  # g/s, m/s²


@dataclass(frozen=True, slots=True)
class Seen:
    """Readings of a batch: `floats` (FLOATS, cars), `ints` (INTS, cars), and whether each car has failed."""

    floats: Floats
    ints: NDArray[np.int64]
    failed: NDArray[np.bool_]


def _leaks(now: State) -> NDArray[np.bool_]:
    """Which tyre it is, or will be, shape (4, cars)."""
    leaks: NDArray[np.bool_] = np.arange(4)[:, None] == np.floor(now.place[TYRE] * 4.0)
    return leaks


def _pressures(now: State, severity: Floats) -> Floats:
    """Tyres, psi, shape (4, cars)."""
    lost = LOST_PSI * severity[TYRE] + FLAT_PSI * (now.failed == TYRE)
    pressures: Floats = now.tyres + WARM_PSI_S_M * now.speed - lost * _leaks(now)
    return pressures


def _felt(now: State, severity: Floats) -> Floats:
    """The accelerometers, shape (4, cars)."""
    shaking = FLAT_SHAKING * severity[TYRE] * _leaks(now) + severity[DRIVE_SHAFT]
    felt: Floats = np.abs(now.acceleration) + (ROAD_S + SHAKING_S * shaking) * now.speed
    return felt


def _measured(now: State, severity: Floats, noise: Floats) -> Floats:
    """What whole sensors say, shape (FLOATS, cars)."""
    vibration = (IDLE_MV + MV_S_M * now.speed) * (1.0 + WORN_VIBRATION * severity[DRIVE_SHAFT])
    rows = (
        now.coolant,
        now.air,
        IDLE_G_S + G_S_S_M * now.speed,
        now.battery,
        now.voltage,
        now.current,
        now.speed,
        vibration * (1.0 + VIBRATION_SPREAD * noise[-1]),
        now.power_w / MOTOR_W,
        *_felt(now, severity),
    )
    told: Floats = np.stack(rows) + _DEVIATIONS * noise[: len(FLOATS)]
    told[_SPEED] *= now.speed > 0.0
    told[_ACCELEROMETERS] = np.abs(told[_ACCELEROMETERS]) + LEAST_M_S2
    return told


def _rows_of(mode: int, now: State, some: Places) -> Places:
    """Which sensor of each car is the one that fails in `mode`."""
    rows: Places = FAULTY[(now.place[mode, some] * len(FAULTY)).astype(np.intp)]
    return rows


def _drift(now: State, told: Floats, severity: Floats) -> None:
    """Drifting sensors tell more than there is."""
    if (some := np.flatnonzero(severity[DRIFT])).size:
        which = (now.place[DRIFT, some] * len(DRIFTING)).astype(np.intp)
        told[DRIFTING[which], some] += _DRIFTS[which] * severity[DRIFT, some]


def _hang(now: State, told: Floats, severity: Floats, draw: Draw) -> None:
    """Stuck sensors repeat what they said."""
    if (some := np.flatnonzero(severity[STUCK])).size:
        share = np.where(now.failed[some] == STUCK, ALWAYS, HANGS * severity[STUCK, some])
        hangs = draw.of(some).uniforms(Purpose.HANG)[0] < share
        rows, held = _rows_of(STUCK, now, some), now.held[some]
        now.held[some] = told[rows, some] = np.where(hangs & ~np.isnan(held), held, told[rows, some])


def _drop(now: State, told: Floats, severity: Floats, draw: Draw) -> None:
    """Sensors with a loose contact say 0."""
    if (some := np.flatnonzero(severity[DROPOUT])).size:
        share = np.where(now.failed[some] == DROPOUT, MOSTLY, DROPS * severity[DROPOUT, some])
        lost = some[draw.of(some).uniforms(Purpose.DROP)[0] < share]
        told[_rows_of(DROPOUT, now, lost), lost] = 0.0


def look(now: State, severity: Floats, draw: Draw) -> Seen:
    """Read all sensors; a stuck one remembers what it said."""
    told = _measured(now, severity, draw.normals(Purpose.NOISE, len(FLOATS) + 1))
    _drift(now, told, severity)
    _hang(now, told, severity, draw)
    _drop(now, told, severity, draw)
    np.clip(told, _LOW, _HIGH, out=told)
    tyres = np.clip(np.rint(_pressures(now, severity)), *TYRE_PSI)
    return Seen(np.round(told, 4), np.vstack((tyres, now.firmware)).astype(np.int64), now.failed >= 0.0)
