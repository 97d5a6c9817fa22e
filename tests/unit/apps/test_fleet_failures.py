"""Failures of simulated cars: rare, announced by symptoms, and each with a signature that a simple limit finds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from fleet.car import RESISTANCE_OHM, open_voltage
from fleet.cars import Traits
from fleet.sensors import FAULTY, FLOATS, Seen
from numpy.typing import NDArray
from telemetry.truth import MODES, FailureMode

from tests.support.herds import INTERVAL_S, hours

Verdict = NDArray[np.bool_]
CARS = 150


def _row(seen: Seen, name: str) -> NDArray[np.float64]:
    row: NDArray[np.float64] = seen.floats[FLOATS.index(name)]
    return row


def _leaks(now: Seen, _before: Seen) -> Verdict:
    found: Verdict = now.ints[:4].min(axis=0) <= 28
    return found


def _vibrates(now: Seen, _before: Seen) -> Verdict:
    speed = _row(now, "speed")
    return (speed > 5.0) & (_row(now, "engine_vibration_amplitude") > 1.2 * (60.0 + 95.0 * speed))


def _overheats(now: Seen, _before: Seen) -> Verdict:
    return _row(now, "coolant_temp") > 65.0


def _sags(now: Seen, _before: Seen) -> Verdict:
    expected_v = open_voltage(_row(now, "battery_percentage")) - RESISTANCE_OHM * _row(now, "current_draw")
    return _row(now, "battery_voltage") < expected_v - 6.0


def _repeats(now: Seen, before: Seen) -> Verdict:
    found: Verdict = (now.floats == before.floats)[FAULTY].any(axis=0)
    return found


def _drifts(now: Seen, _before: Seen) -> Verdict:
    felt = now.floats[[FLOATS.index(name) for name in FLOATS if name.startswith("accelerometer")]]
    apart = felt.max(axis=0) - np.median(felt, axis=0)
    found: Verdict = (apart > 1.1) | (_row(now, "intake_air_flow_speed") > 20.0 + 4.5 * _row(now, "speed") + 12.0)
    return found


def _drops_out(now: Seen, _before: Seen) -> Verdict:
    found: Verdict = (now.floats[FAULTY] == 0.0).any(axis=0)
    return found


LIMITS: dict[FailureMode, Callable[[Seen, Seen], Verdict]] = {
    "tyre": _leaks,
    "drive_shaft": _vibrates,
    "cooling": _overheats,
    "battery": _sags,
    "sensor_stuck": _repeats,
    "sensor_drift": _drifts,
    "sensor_dropout": _drops_out,
}


def test_every_mode_has_a_limit_here() -> None:
    assert tuple(LIMITS) == MODES


@pytest.mark.parametrize("mode", MODES)
def test_a_simple_limit_finds_most_failures_before_they_happen_and_rarely_cries_wolf(mode: FailureMode) -> None:
    traits = Traits(seed=2, interval_s=INTERVAL_S, rates={mode: 0.4})
    warnings, was = np.zeros(CARS), np.zeros(CARS, dtype=np.bool_)
    failures = found = wolves = whole_readings = 0
    before: Seen | None = None
    for moment in hours(CARS, 4.0, traits):
        now, failed = moment.state, moment.seen.failed
        told = LIMITS[mode](moment.seen, before or moment.seen) & (before is not None)
        whole = (now.remaining_h >= now.window_h).all(axis=0)
        wolves += int((told & whole).sum())
        whole_readings += int(whole.sum())
        failures += int((failed & ~was).sum())
        found += int((warnings[failed & ~was] >= 3).sum())
        warnings = np.where(whole | failed, 0.0, warnings + told)
        was, before = failed, moment.seen
    assert failures > 80
    assert found / failures > 0.8
    assert wolves / whole_readings < 0.003


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "sensor_stuck"])
def test_the_signature_of_a_mode_is_no_other_modes(mode: FailureMode) -> None:
    """Cars that have failed in `mode` show its signature while they drive on, and the other limits see far less of them."""
    seen = dict.fromkeys(MODES, 0.0)
    readings = 0
    for moment in hours(CARS, 2.0, Traits(seed=2, interval_s=INTERVAL_S, rates={mode: 2.0})):
        failed = moment.seen.failed
        readings += int(failed.sum())
        for each, limit in LIMITS.items():
            if each != "sensor_stuck":  # compares two readings
                seen[each] += float((limit(moment.seen, moment.seen) & failed).sum())
    own = seen.pop(mode)
    assert own > 0.5 * readings > 0
    assert max(seen.values()) < 0.5 * own, seen


def test_few_cars_have_failed_at_any_moment_from_the_first_on_and_none_for_ever() -> None:
    failed = np.array([moment.seen.failed for moment in hours(300, 6.0, Traits(1, INTERVAL_S, failures_per_hour=0.05))])
    shares = failed.reshape(6, -1).mean(axis=1)
    assert 0.002 < shares.min() <= shares.max() < 0.02
    in_a_row = max(int(run.size) for car in failed.T for run in np.split(car, np.flatnonzero(~car)) if run.size > 1)
    assert in_a_row < 1200.0 / INTERVAL_S + 3  # then it is in the workshop


def test_the_first_reading_already_has_worn_and_failed_cars_among_many_whole_ones() -> None:
    first = next(hours(4000, 1.0, Traits(1, INTERVAL_S, failures_per_hour=0.05)))
    worn = (first.state.remaining_h < first.state.window_h).any(axis=0)
    assert 0.003 < first.seen.failed.mean() < 0.015
    assert 0.03 < worn.mean() < 0.12
    assert set(first.state.failed[first.seen.failed]) == set(range(len(MODES)))


def test_a_known_time_to_failure_is_the_driving_that_is_left() -> None:
    driven_s, told_s = np.zeros(CARS), np.full(CARS, np.nan)
    was = np.zeros(CARS, dtype=np.bool_)
    met = 0
    for moment in hours(CARS, 2.0, Traits(seed=4, interval_s=INTERVAL_S, rates={"tyre": 1.0})):
        now, failed = moment.state, moment.seen.failed
        fresh = failed & ~was & ~np.isnan(told_s)
        assert driven_s[fresh] == pytest.approx(told_s[fresh], abs=2 * INTERVAL_S)
        met += int(fresh.sum())
        left_s = now.remaining_h[MODES.index("tyre")] * 3600.0
        growing = (left_s < now.window_h[MODES.index("tyre")] * 3600.0) & ~failed
        driven_s = np.where(np.isnan(told_s), 0.0, driven_s) + INTERVAL_S * (now.speed > 0.0)
        told_s = np.where(growing, np.where(np.isnan(told_s), left_s + INTERVAL_S * (now.speed > 0.0), told_s), np.nan)
        was = failed
    assert met > 50
