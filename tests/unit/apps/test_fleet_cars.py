from __future__ import annotations

import statistics
from itertools import pairwise

import pytest
from fleet.car import Car
from fleet.schedule import Schedule
from telemetry.car import CarReading, decode_json, encode_json, is_finite


def _hours(car: Car, hours: float, step_s: float = 5.0) -> list[CarReading]:
    found = []
    for index in range(int(hours * 3600 / step_s)):
        car.drive(step_s)
        found.append(car.reading(1_700_000_000 + index * step_s))
    return found


RANGES = {
    "coolant_temp": (-20, 130),
    "intake_air_temp": (15, 40),
    "battery_percentage": (0, 100),
    "battery_voltage": (200, 420),
    "speed": (0, 50),
    "engine_vibration_amplitude": (0, 7500),
    "throttle_pos": (0, 1),
    "tire_pressure_1_1": (20, 35),
    "accelerometer_1_1_value": (0, 7),
    "control_unit_firmware": (1000, 2000),
}


def test_the_same_seed_makes_the_same_readings_and_another_car_differs() -> None:
    first, again, other = (_hours(Car("a", number, 7, 1.0), 0.1) for number in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("number", range(4))
def test_eight_hours_stay_within_the_plausible_ranges(number: int) -> None:
    readings = _hours(Car("a", number, 1, 0.5), 8.0)
    for name, (low, high) in RANGES.items():
        values = [getattr(reading, name) for reading in readings]
        assert low <= min(values) <= max(values) <= high, name
    assert all(is_finite(reading) for reading in readings)
    assert max(reading.speed for reading in readings) > 10
    assert decode_json(encode_json(readings[-1])) == readings[-1]


def test_driving_drains_the_battery_and_charging_fills_it() -> None:
    readings = _hours(Car("a", 3, 1, 0.0), 24.0, step_s=60.0)
    charge = [reading.battery_percentage for reading in readings]
    assert min(charge) < 30
    assert any(later > earlier for earlier, later in pairwise(charge))


def test_speed_drives_current_and_vibration() -> None:
    readings = _hours(Car("a", 5, 1, 0.0), 8.0)
    fast = [reading for reading in readings if reading.speed > 25]
    still = [reading for reading in readings if reading.speed == 0]
    for name in ("engine_vibration_amplitude", "current_draw", "intake_air_flow_speed"):
        mean_fast = statistics.mean(getattr(reading, name) for reading in fast)
        mean_still = statistics.mean(getattr(reading, name) for reading in still)
        assert mean_fast > 2 * mean_still, name


def test_failures_are_rare_and_end() -> None:
    failed = [
        reading.failure_occurred == "true"
        for number in range(20)
        for reading in _hours(Car("a", number, 1, 0.2), 2.0, step_s=60.0)
    ]
    assert 0 < statistics.mean(failed) < 0.1


def test_cars_are_spread_over_the_interval() -> None:
    schedule = Schedule(10, 5.0, start_s=100.0)
    assert [list(schedule.take(100.0 + step * 0.5)) for step in range(10)] == [[index] for index in range(10)]
    assert schedule.next_s() == 105.0


def test_after_a_pause_each_car_is_due_once_not_in_a_burst() -> None:
    schedule = Schedule(3, 1.0, start_s=0.0)
    assert sorted(schedule.take(60.0)) == [0, 1, 2]
    assert list(schedule.take(60.5)) == []
