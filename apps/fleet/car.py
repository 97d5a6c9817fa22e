"""One car as a small physical model: a course of phases drives the speed, the speed drives everything else. Pure.

Ranges follow the scaling of the original autoencoder: intake air 15..40 °C, battery 0..100 %, speed 0..50 m/s, vibration
0..7500 mV, throttle 0..1, tyres 20..35 psi, acceleration 0..7 m/s², firmware 1000 or 2000.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Literal

from telemetry.car import CarReading

MASS_KG: Final = 1800.0
DRAG: Final = 0.40  # half of air density x drag coefficient x frontal area, kg/m
ROLLING_N: Final = 180.0
AUXILIARY_W: Final = 400.0  # lights, control units, air conditioning
CAPACITY_WS: Final = 60e3 * 3600.0  # 60 kWh
CHARGER_W: Final = 50e3
STEP_S: Final = 1.0  # the model's own step; a reading's interval is cut into such steps
LOW_BATTERY: Final = 15.0
FULL_BATTERY: Final = 95.0
LEAK_PSI_S: Final = 0.02  # a leaking tyre loses 10 psi in eight minutes

Phase = Literal["parked", "city", "road", "motorway", "charging"]
Failure = Literal["tyre", "bearing", "cooling"]
FAILURES: Final[tuple[Failure, ...]] = ("tyre", "bearing", "cooling")
SPEEDS: Final[dict[Phase, tuple[float, float]]] = {
    "parked": (0.0, 0.0),
    "charging": (0.0, 0.0),
    "city": (5.0, 15.0),
    "road": (15.0, 25.0),
    "motorway": (25.0, 42.0),
}
DURATIONS_S: Final[dict[Phase, tuple[float, float]]] = {
    "parked": (30.0, 240.0),
    "charging": (600.0, 3600.0),
    "city": (60.0, 600.0),
    "road": (60.0, 600.0),
    "motorway": (120.0, 1200.0),
}


@dataclass(slots=True)
class State:
    """What changes from step to step."""

    phase: Phase
    phase_left_s: float
    target_speed: float
    speed: float
    acceleration: float
    power_w: float
    battery: float
    coolant: float
    air: float
    tyres: list[float]
    failure: Failure | None = None
    failure_left_s: float = 0.0


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


class Car:
    """One car; the same `seed` and `number` give the same readings for the same calls."""

    def __init__(self, name: str, number: int, seed: int, failures_per_hour: float) -> None:
        """`name` is the car in the readings."""
        self.name = name
        self._draw = random.Random(f"{seed}/{number}")
        self._failures_per_s = failures_per_hour / 3600.0
        self._firmware = self._draw.choice((1000, 2000))
        self._state = State(
            phase="parked",
            phase_left_s=self._draw.uniform(0.0, 60.0),
            target_speed=0.0,
            speed=0.0,
            acceleration=0.0,
            power_w=AUXILIARY_W,
            battery=self._draw.uniform(30.0, 95.0),
            coolant=self._draw.uniform(20.0, 35.0),
            air=self._draw.uniform(18.0, 32.0),
            tyres=[self._draw.uniform(30.0, 34.0) for _ in range(4)],
        )

    def drive(self, seconds: float) -> None:
        """Let `seconds` pass."""
        while seconds > 0:
            step_s = min(STEP_S, seconds)
            self._step(step_s)
            seconds -= step_s

    def _step(self, step_s: float) -> None:
        state = self._state
        self._choose_phase(step_s)
        self._fail(step_s)
        wanted = (state.target_speed - state.speed) / step_s
        state.acceleration = _clamp(wanted, -3.5, 2.5)
        state.speed = _clamp(state.speed + state.acceleration * step_s, 0.0, 50.0)
        force = MASS_KG * state.acceleration + DRAG * state.speed**2 + (ROLLING_N if state.speed else 0.0)
        state.power_w = AUXILIARY_W + max(0.0, force * state.speed)
        charged_w = CHARGER_W if state.phase == "charging" else 0.0
        state.battery = _clamp(state.battery + (charged_w - state.power_w) * step_s / CAPACITY_WS * 100.0, 0.0, 100.0)
        heat = 70.0 if state.failure == "cooling" else 0.0
        state.coolant += (state.air + 12.0 + state.power_w / 2500.0 + heat - state.coolant) * step_s / 180.0
        state.air = _clamp(state.air + self._draw.gauss(0.0, 0.02) * step_s, 15.0, 40.0)

    def _choose_phase(self, step_s: float) -> None:
        state = self._state
        state.phase_left_s -= step_s
        if state.battery < LOW_BATTERY and state.phase != "charging":
            self._enter("charging")
        elif state.phase == "charging" and state.battery >= FULL_BATTERY:
            self._enter("city")
        elif state.phase_left_s <= 0 and not (state.phase == "charging" and state.battery < FULL_BATTERY):
            self._enter(self._draw.choice(("parked", "city", "city", "road", "motorway")))
        elif self._draw.random() < step_s / 30.0:
            state.target_speed = self._draw.uniform(*SPEEDS[state.phase])  # traffic

    def _enter(self, phase: Phase) -> None:
        state = self._state
        state.phase = phase
        state.phase_left_s = self._draw.uniform(*DURATIONS_S[phase])
        state.target_speed = self._draw.uniform(*SPEEDS[phase])

    def _fail(self, step_s: float) -> None:
        state = self._state
        if state.failure is not None:
            state.failure_left_s -= step_s
            if state.failure == "tyre":
                state.tyres[0] = max(20.0, state.tyres[0] - LEAK_PSI_S * step_s)
            if state.failure_left_s <= 0:
                state.failure = None
                state.tyres[0] = self._draw.uniform(30.0, 34.0)
        elif state.speed > 0 and self._draw.random() < self._failures_per_s * step_s:
            state.failure = self._draw.choice(FAILURES)
            state.failure_left_s = self._draw.uniform(120.0, 600.0)

    def _near(self, value: float, spread: float, low: float, high: float) -> float:
        return round(_clamp(self._draw.gauss(value, spread), low, high), 4)

    def reading(self, time_s: float) -> CarReading:
        """What the sensors say now; `time_s` is the event's time."""
        state = self._state
        voltage = 320.0 + 0.8 * state.battery - state.power_w / 8000.0
        shaking = 40.0 + 75.0 * state.speed + (2200.0 if state.failure == "bearing" else 0.0)
        front_left, front_right, back_left, back_right = (round(_clamp(psi, 20.0, 35.0)) for psi in state.tyres)
        felt = [self._near(abs(state.acceleration) + 0.02 * state.speed, 0.15, 0.0, 7.0) for _ in range(4)]
        return CarReading(
            time=round(time_s, 3),
            car=self.name,
            coolant_temp=self._near(state.coolant, 0.3, -20.0, 130.0),
            intake_air_temp=self._near(state.air, 0.2, 15.0, 40.0),
            intake_air_flow_speed=self._near(20.0 + 4.5 * state.speed, 2.0, 0.0, 300.0),
            battery_percentage=round(state.battery, 4),
            battery_voltage=self._near(voltage, 0.5, 200.0, 420.0),
            current_draw=self._near(state.power_w / voltage, 0.2, 0.0, 800.0),
            speed=self._near(state.speed, 0.1, 0.0, 50.0) if state.speed else 0.0,
            engine_vibration_amplitude=self._near(shaking, 20.0 + 0.03 * shaking, 0.0, 7500.0),
            throttle_pos=round(_clamp(state.power_w / 120e3, 0.0, 1.0), 4),
            tire_pressure_1_1=front_left,
            tire_pressure_1_2=front_right,
            tire_pressure_2_1=back_left,
            tire_pressure_2_2=back_right,
            accelerometer_1_1_value=felt[0],
            accelerometer_1_2_value=felt[1],
            accelerometer_2_1_value=felt[2],
            accelerometer_2_2_value=felt[3],
            control_unit_firmware=self._firmware,
            failure_occurred="true" if state.failure else "false",
        )
