"""The physics of cars: wanted speed -> force -> power -> current -> battery and coolant. Units are SI, and they add up.

The acceleration is even over a step, so the work of every force over that step is exact, and what leaves the battery is
what the motor, the lights and the inner resistance took.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from telemetry.truth import MODES

from fleet.draw import Floats
from fleet.state import Phase, State

MASS_KG: Final = 1800.0
DRAG: Final = 0.40  # half of air density x drag coefficient x frontal area, kg/m
ROLLING_N: Final = 180.0
FLAT_TYRE: Final = 0.3  # more rolling resistance
MOTOR_W: Final = 80e3  # for accelerating; drag comes on top
BRAKING, ACCELERATING = -3.0, 2.0  # m/s²
MOTOR_EFFICIENCY: Final = 0.9
RECUPERATION: Final = 0.6  # of the braking power; the brakes take the rest
AUXILIARY_W: Final = 400.0  # lights, control units, air conditioning
CHARGER_W: Final = 50e3
CAPACITY_WS: Final = 60e3 * 3600.0  # 60 kWh
EMPTY_V, FULL_V = 320.0, 400.0  # open-circuit voltage at 0 and 100 %
RESISTANCE_OHM: Final = 0.08
WORN_RESISTANCE: Final = 2.0  # more, of a battery that fails
WORN_V: Final = 25.0  # less
WASTE_HEAT: Final = 0.08  # of the power
COOLING_W_K: Final = 60.0  # radiator without its fan, which makes three times that above 60 °C
FAN_FROM_C, FAN_RISE_K = 45.0, 15.0
LOST_COOLING: Final = 0.95
HEAT_CAPACITY_WS_K: Final = 10.8e3
BOILING_C: Final = 118.0  # under pressure; further heat goes into steam
DAY_S: Final = 86_400.0
AIR_SWING_K: Final = 5.0

TYRE, DRIVE_SHAFT, COOLING, BATTERY = (MODES.index(mode) for mode in ("tyre", "drive_shaft", "cooling", "battery"))


def open_voltage(battery: Floats, severity: Floats | float = 0.0) -> Floats:
    """Without load, V; `severity` is that of a failing battery."""
    return EMPTY_V + (FULL_V - EMPTY_V) / 100.0 * battery - WORN_V * severity


def _drive(now: State, severity: Floats, step_s: float) -> Floats:
    """Speed and acceleration after a step; returns the power at the wheels, W, mean of the step."""
    before = now.speed
    rolling = ROLLING_N * (1.0 + FLAT_TYRE * severity[TYRE])
    motor = MOTOR_W * (1.0 - 0.5 * severity[BATTERY])
    most = np.sqrt(before * before + 2.0 * motor * step_s / MASS_KG)
    wanted = np.clip(now.target - before, BRAKING * step_s, ACCELERATING * step_s)
    after = np.minimum(before + wanted, most)
    kinetic = 0.5 * MASS_KG * (after * after - before * before) / step_s
    drag = DRAG * (before + after) * (before * before + after * after) / 4.0
    traction: Floats = kinetic + drag + rolling * (before + after) / 2.0
    now.acceleration[:] = (after - before) / step_s
    now.speed[:] = after  # last: `before` is a view of it
    return traction


def _load(now: State, traction: Floats, severity: Floats, step_s: float) -> None:
    """Power, voltage, current and charge of the battery."""
    power = np.where(traction > 0.0, traction / MOTOR_EFFICIENCY, traction * RECUPERATION) + AUXILIARY_W
    power -= CHARGER_W * ((now.phase == Phase.CHARGING) & (now.speed == 0.0))
    resistance = RESISTANCE_OHM * (1.0 + WORN_RESISTANCE * severity[BATTERY])
    open_v = open_voltage(now.battery, severity[BATTERY])
    current = (open_v - np.sqrt(open_v * open_v - 4.0 * resistance * power)) / (2.0 * resistance)
    now.power_w[:] = power
    now.current[:] = current
    now.voltage[:] = open_v - resistance * current
    now.battery -= open_v * current * (100.0 * step_s / CAPACITY_WS)


def _warm(now: State, severity: Floats, step_s: float) -> None:
    """Air and coolant."""
    now.air[:] = now.air_base + AIR_SWING_K * np.sin(now.step * (step_s * 2.0 * np.pi / DAY_S) + now.air_base)
    fan = np.clip((now.coolant - FAN_FROM_C) / FAN_RISE_K, 0.0, 1.0)
    lost = severity[COOLING]
    cooling = COOLING_W_K * (1.0 + 2.0 * fan * (1.0 - lost)) * (1.0 - LOST_COOLING * lost)
    settled = now.air + WASTE_HEAT * np.abs(now.power_w) / cooling
    now.coolant[:] = np.minimum(settled + (now.coolant - settled) * np.exp(-cooling * (step_s / HEAT_CAPACITY_WS_K)), BOILING_C)


def move(now: State, severity: Floats, step_s: float) -> None:
    """One step of `step_s` (10 s at most); `severity` of each failure mode 0..1, shape (modes, cars)."""
    _load(now, _drive(now, severity, step_s), severity, step_s)
    _warm(now, severity, step_s)
