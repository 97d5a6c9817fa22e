from __future__ import annotations

from collections import Counter
from itertools import pairwise

from fleet.board import TEMPERATURES, Board
from fleet.devices import kinds
from fleet.fan import FAULTY, HEALTHY, Fan
from fleet.schedule import Schedule
from fleet.settings import FleetSettings
from telemetry import fan, iotkit
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
    cars, boards, fans = kinds(SETTINGS)
    names = [device.name for kind in (cars, boards, fans) for device in kind.devices]
    assert len(set(names)) == 304
    assert boards.devices[0].name == "02-00-5e-00-00-01"
    assert boards.devices[299].name == "02-00-5e-00-01-2c"
    for kind, qos in ((cars, 1), (boards, 0), (fans, 0)):
        for device in kind.devices:
            for sent in device.publications(1.0, 0.0):
                assert sent.qos == qos
                if kind is not fans:
                    assert device.name in sent.topic.split("/")
                    assert iotkit.origin(sent.topic).device == device.name if kind is boards else True


def test_a_kind_without_devices_is_left_out_and_an_empty_schedule_is_never_due() -> None:
    assert [kind.name for kind in kinds(SETTINGS.model_copy(update={"cars": 0, "fans": 0}))] == ["iotkit"]
    assert list(Schedule(0, 1.0, 0.0).take(1e9)) == []
