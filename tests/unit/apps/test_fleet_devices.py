from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec
import pytest
from fleet.board import TEMPERATURES, Board
from fleet.devices import herds
from fleet.fan import FAULTY, HEALTHY, Fan
from fleet.herd import Herd
from fleet.schedule import Schedule
from fleet.settings import FleetSettings
from pydantic import ValidationError
from telemetry import car, fan, iotkit, truth
from telemetry.iotkit import SensorReading

from infra import wiring

SETTINGS = FleetSettings(
    metrics_port=0,
    uri="tcp://localhost:1883",
    topic=wiring.CARS_MQTT,
    client_id=wiring.CAR_CLIENT_ID,
    cars=2,
    interval_s=5.0,
    iotkit=300,
    iotkit_topic=wiring.IOTKIT_MQTT,
    iotkit_client_id=wiring.BOARD_CLIENT_ID,
    fans=2,
    fan_topic=wiring.FAN_MQTT,
    fan_client_id=wiring.FAN_CLIENT_ID,
)


def _hours(board: Board, hours: float) -> list[tuple[str, bytes]]:
    return [message for _ in range(int(hours * 2400)) for message in board.messages(1.5)]


def test_a_board_says_the_class_that_its_temperature_has() -> None:
    seen: Counter[str] = Counter()
    for kind, payload in _hours(Board("b", 1, 1, 2.0), 8.0):
        message = iotkit.decode(kind, payload)
        if isinstance(message, SensorReading):
            low, high = TEMPERATURES[message.condition]
            assert low <= message.temperature <= high
            assert 20.0 <= message.humidity <= 80.0
            seen[message.condition] += 1
    assert set(seen) == {"low", "middle", "high"}
    assert seen["high"] < seen["low"] + seen["middle"]


def test_a_board_that_runs_hot_raises_one_alert_and_hands_use_the_rest() -> None:
    sent = _hours(Board("b", 2, 1, 2.0), 24.0)
    kinds_ = Counter(kind for kind, _ in sent)
    conditions = [payload.rpartition(b",")[2] for kind, payload in sent if kind == "sensor"]
    hot = sum(after == b"high" != before for before, after in pairwise(conditions))
    assert kinds_["alert"] == hot > 20
    assert {payload for kind, payload in sent if kind == "alert"} == {b"alert: hall"}
    assert min(kinds_[kind] for kind in ("button", "rfid", "encoder")) > 100


def test_the_same_seed_makes_the_same_board_and_another_board_differs() -> None:
    first, again, other = (_hours(Board("b", number, 7, 1.0), 0.1) for number in (1, 1, 2))
    assert first == again != other


def test_a_fan_is_healthy_but_for_spells_and_reads_as_the_contract_says() -> None:
    made = Fan("fan-1", 1, 1)
    readings = [fan.decode_reading(made.reading(2.0, 1_619_691_072.0)) for _ in range(40_000)]
    assert readings[0].time_stamp == "2021-04-29 10:11:12"
    assert readings[0].device_id == "1"
    healthy = sum(
        all(low <= value <= high for value, (low, high) in zip(_values(each), HEALTHY, strict=True)) for each in readings
    )
    assert len(readings) * 0.9 < healthy < len(readings)
    assert all(low <= value <= high + 50 for each in readings for value, (low, high) in zip(_values(each), FAULTY, strict=True))


def _values(reading: fan.FanReading) -> tuple[float, ...]:
    return reading.rotation, reading.temperature, reading.vibration, reading.sound


def test_devices_of_every_kind_have_names_and_topics_of_their_own() -> None:
    cars, boards, fans = herds(SETTINGS)
    assert [herd.name for herd in (cars, boards, fans)] == ["car", "iotkit", "fan"]
    assert len({*cars.names, *boards.names, *fans.names}) == 304
    assert boards.names[0] == "02-00-5e-00-00-01"
    assert boards.names[299] == "02-00-5e-00-01-2c"
    for herd, qos in ((cars, 1), (boards, 0), (fans, 0)):
        everyone = range(len(herd.names))
        found = list(herd.publications(everyone, 0.0))
        assert sorted({index for index, _ in found}) == list(everyone)
        for index, sent in found:
            assert sent.qos == qos
            if herd is not fans:
                assert herd.names[index] in sent.topic.split("/")
                assert iotkit.origin(sent.topic).device == herd.names[index] if herd is boards else True


def test_messages_come_in_the_order_of_the_indices_and_nobody_asked_is_nothing() -> None:
    for herd in herds(SETTINGS.model_copy(update={"cars": 9, "fans": 9})):
        asked = [5, 0, 7]
        assert list(dict.fromkeys(index for index, _ in herd.publications(asked, 1.7e9))) == asked
        assert list(herd.publications([], 1.7e9)) == []


def test_a_cars_payload_has_every_value_the_car_and_the_time() -> None:
    (cars, *_) = herds(SETTINGS)
    for index, sent in cars.publications([1, 0], 1_700_000_000.1234):
        reading = car.decode_json(sent.payload)
        assert (reading.car, reading.time) == (cars.names[index], 1_700_000_000.123)
        assert reading.failure_occurred in {"true", "false"}
        assert 480 < len(sent.payload) < 600
        assert list(msgspec.json.decode(sent.payload)) == [*car.NAMES]


def _truths(cars: Herd, rounds: int) -> dict[str, list[tuple[int, truth.CarTruth]]]:
    """By car: round and truth; each must stand right behind a reading of the same car and say the same time."""
    found: dict[str, list[tuple[int, truth.CarTruth]]] = {name: [] for name in cars.names}
    for round_ in range(rounds):
        reading = None
        for index, sent in cars.publications(range(len(cars.names)), 1.7e9 + round_ * cars.interval_s):
            name = cars.names[index]
            if sent.topic != f"{wiring.TRUTH_MQTT}/{name}":
                reading = car.decode_json(sent.payload)
                continue
            told = truth.decode(sent.payload)
            assert reading is not None
            assert (told.car, told.time) == (reading.car, reading.time) == (name, told.time)
            assert told.failed == (reading.failure_occurred == "true")
            found[name].append((round_, told))
    return found


def test_a_car_tells_its_truth_every_sixtieth_reading_and_whenever_it_changes() -> None:
    update = {"truth_topic": wiring.TRUTH_MQTT, "cars": 100, "interval_s": 10.0, "failures_per_hour": 3.0}
    (cars, *_) = herds(SETTINGS.model_copy(update=update))
    changes, turns = 0, Counter[int]()
    for told in _truths(cars, 360).values():
        rounds = [round_ for round_, _ in told]
        assert all(later - earlier <= 60 for earlier, later in pairwise([-1, *rounds, 360]))
        (turn,) = {round_ % 60 for round_ in rounds if all((round_ + 60 * k) % 360 in rounds for k in range(6))}
        turns[turn] += 1
        for (_, before), (round_, after) in pairwise(told):
            changed = (before.mode, before.failed) != (after.mode, after.failed)
            assert changed or round_ % 60 == turn
            changes += changed
            if not changed and after.mode is not None and before.time_to_failure_s is not None:
                assert after.time_to_failure_s is not None
                assert after.time_to_failure_s <= before.time_to_failure_s
                assert after.wear[after.mode] >= before.wear[after.mode]
    assert changes > 100
    assert len(turns) > 30  # they do not all speak at once


def test_no_truth_is_told_without_a_topic_for_it() -> None:
    update = {"cars": 100, "interval_s": 10.0, "failures_per_hour": 3.0}
    (cars, *_) = herds(SETTINGS.model_copy(update=update))
    topics = {sent.topic.rpartition("/")[0] for _ in range(60) for _, sent in cars.publications(range(100), 1.7e9)}
    assert topics == {wiring.CARS_MQTT}


def test_rates_of_single_modes_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_FAILURE_RATES", '{"tyre": 0.5}')
    given = SETTINGS.model_dump(exclude={"failure_rates"})
    assert FleetSettings(**given).failure_rates == {"tyre": 0.5}
    monkeypatch.setenv("FLEET_FAILURE_RATES", '{"engine": 0.5}')
    with pytest.raises(ValidationError, match="engine"):
        FleetSettings(**given)


def test_cars_are_spread_over_the_interval() -> None:
    schedule = Schedule(10, 5.0, start_s=100.0)
    assert [list(schedule.take(100.0 + step * 0.5)) for step in range(10)] == [[index] for index in range(10)]
    assert schedule.next_s() == 105.0


def test_after_a_pause_each_car_is_due_once_not_in_a_burst() -> None:
    schedule = Schedule(3, 1.0, start_s=0.0)
    assert sorted(schedule.take(60.0)) == [0, 1, 2]
    assert list(schedule.take(60.5)) == []


def test_a_kind_without_devices_is_left_out_and_an_empty_schedule_is_never_due() -> None:
    assert [herd.name for herd in herds(SETTINGS.model_copy(update={"cars": 0, "fans": 0}))] == ["iotkit"]
    assert list(Schedule(0, 1.0, 0.0).take(1e9)) == []
