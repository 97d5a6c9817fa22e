"""The physics of simulated cars: plausible, of consistent units, and the same whoever is asked with them."""

from __future__ import annotations

import numpy as np
import pytest
from fleet import car
from fleet.cars import Cars, Moment, Traits
from fleet.sensors import FLOATS, INTS
from fleet.state import Phase
from telemetry.truth import MODES

from tests.support.herds import INTERVAL_S, hours

RANGES = {
    "coolant_temp": (-20, 130),
    "intake_air_temp": (15, 40),
    "intake_air_flow_speed": (0, 300),
    "battery_percentage": (5, 96),
    "battery_voltage": (200, 420),
    "current_draw": (-500, 500),
    "speed": (0, 50),
    "engine_vibration_amplitude": (0, 7500),
    "throttle_pos": (0, 1),
}
WELL = Traits(seed=3, interval_s=INTERVAL_S)
ILL = Traits(seed=3, interval_s=INTERVAL_S, failures_per_hour=2.0)


def _same(one: Moment, other: Moment, places: list[int]) -> bool:
    """Whether `one` is what `other` says of the cars at `places`."""
    pairs = (
        (one.seen.floats, other.seen.floats),
        (one.seen.ints, other.seen.ints),
        (one.seen.failed, other.seen.failed),
        (one.state.block, other.state.block),
    )
    return all(np.array_equal(mine, theirs[..., places], equal_nan=mine.dtype.kind == "f") for mine, theirs in pairs)


def test_cars_are_the_same_in_any_batch_in_any_order_and_in_another_herd() -> None:
    together, apart, others = Cars(range(1, 41), ILL), Cars(range(1, 41), ILL), Cars(range(31, 36), ILL)
    shuffle = np.random.default_rng(1)
    failures = 0
    for _ in range(300):
        whole = together.live(np.arange(40))
        for places in np.array_split(shuffle.permutation(40), 7):
            assert _same(apart.live(places), whole, places.tolist())
        assert _same(others.live(np.arange(5)), whole, [30, 31, 32, 33, 34])
        failures += int(whole.seen.failed.sum())
    assert failures > 0


def test_a_car_that_was_asked_seldom_catches_up_to_the_same_state() -> None:
    steady, late = Cars(range(1, 3), ILL), Cars(range(1, 3), ILL)
    for _ in range(200):
        whole = steady.live(np.arange(2))
        late.live(np.array([0]))
    for _ in range(200):
        last = late.live(np.array([1]))
    assert _same(last, whole, [1])


def test_another_seed_and_another_number_make_another_car() -> None:
    one = Cars(range(1, 3), WELL).live(np.arange(2))
    other = Cars(range(1, 3), Traits(seed=4, interval_s=INTERVAL_S)).live(np.arange(2))
    assert not np.array_equal(one.seen.floats[:, 0], one.seen.floats[:, 1])
    assert not np.array_equal(one.seen.floats, other.seen.floats)


@pytest.mark.parametrize(("interval_s", "length_h"), [(1.0, 0.4), (10.0, 4.0), (60.0, 6.0)])
def test_all_values_stay_plausible_even_while_cars_fail_all_the_time(interval_s: float, length_h: float) -> None:
    traits = Traits(seed=5, interval_s=interval_s, failures_per_hour=3.0)
    lows, highs = np.full(len(FLOATS), np.inf), np.full(len(FLOATS), -np.inf)
    tyres, firmware, failed = set[int](), set[int](), 0
    for moment in hours(100, length_h, traits):
        seen = moment.seen
        assert np.isfinite(seen.floats).all()
        np.minimum(lows, seen.floats.min(axis=1), out=lows)
        np.maximum(highs, seen.floats.max(axis=1), out=highs)
        tyres.update(np.unique(seen.ints[:4]).tolist())
        firmware.update(np.unique(seen.ints[INTS.index("control_unit_firmware")]).tolist())
        failed += int(seen.failed.sum())
    for name, low, high in zip(FLOATS, lows, highs, strict=True):
        least, most = RANGES.get(name, (0, 7))
        assert least <= low <= high <= most, name
    assert 20 <= min(tyres) < 27 < max(tyres) <= 35
    assert firmware == {1000, 2000}
    assert failed > 0


def test_power_is_force_times_speed() -> None:
    """Each step's force, integrated over the speed in a hundred slices, is the power that leaves the battery for the wheels."""
    before: np.ndarray | None = None
    compared = 0
    for moment in hours(50, 1.0, WELL):
        now = moment.state
        if before is not None:
            drives = (now.acceleration > -0.05) & (before > 1.0)
            slices = before + (now.speed - before) * (np.arange(100)[:, None] + 0.5) / 100
            force = car.MASS_KG * (now.speed - before) / INTERVAL_S + car.DRAG * slices**2 + car.ROLLING_N
            wheels_w = (force * slices).mean(axis=0)[drives]
            drawn_w = (now.power_w[drives] - car.AUXILIARY_W) * car.MOTOR_EFFICIENCY
            pulls = wheels_w > 0.0
            assert drawn_w[pulls] == pytest.approx(wheels_w[pulls], rel=1e-3, abs=1.0)
            compared += int(pulls.sum())
        before = now.speed.copy()
    assert compared > 5000


def test_what_the_readings_say_of_energy_is_what_the_battery_loses() -> None:
    """Volts x amperes x seconds of the readings, with the loss in the battery itself, against its percentage."""
    drawn_ws, first, last = np.zeros(50), np.zeros(0), np.zeros(0)
    moved_ws = np.zeros(50)
    for moment in hours(50, 4.0, WELL):
        row = dict(zip(FLOATS, moment.seen.floats, strict=True))
        amperes = row["current_draw"]
        last = row["battery_percentage"]
        if not first.size:
            first = last
            continue
        energy_ws = (row["battery_voltage"] + car.RESISTANCE_OHM * amperes) * amperes * INTERVAL_S
        drawn_ws += energy_ws
        moved_ws += np.abs(energy_ws)
    lost_ws = (first - last) / 100.0 * car.CAPACITY_WS
    assert drawn_ws == pytest.approx(lost_ws, abs=0.005 * float(moved_ws.mean()))
    assert float(moved_ws.mean()) > 0.3 * car.CAPACITY_WS


def test_speed_drives_current_vibration_and_air_and_standing_still_is_still() -> None:
    seen = np.concatenate([moment.seen.floats for moment in hours(50, 2.0, WELL)], axis=1)
    row = dict(zip(FLOATS, seen, strict=True))
    fast, still = row["speed"] > 25.0, (row["speed"] == 0.0) & (row["current_draw"] > 0.0)
    for name in ("engine_vibration_amplitude", "current_draw", "intake_air_flow_speed"):
        assert row[name][fast].mean() > 5 * row[name][still].mean(), name
    assert row["coolant_temp"].max() < 65.0  # of whole cars


def test_the_day_has_phases_and_begins_in_the_middle_of_one() -> None:
    shares = np.array([np.bincount(moment.state.phases, minlength=len(Phase)) for moment in hours(400, 4.0, WELL)]) / 400
    for phase in (Phase.PARKED, Phase.CITY, Phase.ROAD, Phase.MOTORWAY, Phase.CHARGING):
        first, later = shares[0, phase], shares[-700:, phase].mean()
        assert later > 0.03
        assert first == pytest.approx(later, abs=0.06), phase.name
    assert shares[:, Phase.LIMPING].max() == shares[:, Phase.WORKSHOP].max() == 0.0  # nothing fails at a rate of 0


def test_sums_of_single_modes_and_shares_of_all_are_rates() -> None:
    traits = Traits(seed=1, interval_s=INTERVAL_S, failures_per_hour=0.4, rates={"tyre": 0.0})
    failures, driven_h, tyres = 0, 0.0, 0
    was = np.zeros(300, dtype=np.bool_)
    for moment in hours(300, 6.0, traits):
        fresh = moment.seen.failed & ~was
        failures += int(fresh.sum())
        tyres += int((moment.state.failed[fresh] == MODES.index("tyre")).sum())
        driven_h += float(((moment.state.speed > 0) & ~moment.seen.failed).sum()) * INTERVAL_S / 3600.0
        was = moment.seen.failed
    assert failures / driven_h == pytest.approx(0.4 * 0.8, rel=0.15)
    assert tyres == 0
