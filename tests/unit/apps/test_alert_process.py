from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from alert_process.incidents import MOST_DEVICES, Readings, incident, is_alert, reading
from alert_process.starter import Starter
from runtime.errors import UnavailableError
from telemetry.errors import PayloadError
from telemetry.iotkit import SensorReading
from telemetry.record import Record, arrival_headers

NOON_MS = 1_600_000_200_000  # 2020-09-13T12:30:00Z


def record(value: bytes, topic: str = "iotkit/hall-3/alert", arrival_ms: int = NOON_MS) -> Record:
    device = topic.split("/")[1] if topic.count("/") == 2 else "edge-1"
    return Record("b", 0, 0, topic, value, arrival_headers(topic, device, "edge-1", arrival_ms), 5)


def test_alerts_of_one_device_and_kind_within_a_window_are_one_incident_whenever_they_are_delivered() -> None:
    keys = [incident(record(b"alert: hall\0", arrival_ms=NOON_MS + after_s * 1000), 600.0).key for after_s in (0, 1, 599, 600)]
    assert keys == ["hall-3/hall/2020-09-13T12:30:00Z"] * 3 + ["hall-3/hall/2020-09-13T12:40:00Z"]
    others = {
        incident(record(b"alert: door"), 600.0).key,
        incident(record(b"alert: hall", "iotkit/hall-4/alert"), 600.0).key,
        incident(record(b"alert: hall", "iotkit/alert"), 600.0).key,
    }
    assert len(others - set(keys)) == 3


@pytest.mark.parametrize(("last", "severity"), [("low", "warning"), ("middle", "warning"), ("high", "critical")])
def test_a_process_begins_with_what_led_to_it(last: Any, severity: str) -> None:
    readings = Readings(3)
    for index, condition in enumerate(["low", "low", "middle", last]):
        readings.add("hall-3", NOON_MS + index * 1500, SensorReading(0xBC, 20.0 + index, 50.0, condition))
    made = incident(record(b"alert: hall"), 600.0).variables(
        readings.last("hall-3"), "http://grafana/d/iotkit?var-device={device}"
    )
    assert {each["type"] for each in made.values()} == {"String"}
    told = {name: each["value"] for name, each in made.items()}
    assert json.loads(told.pop("readings"))[-1] == {"time": "2020-09-13T12:30:04Z", "temp": 23.0, "hum": 50.0, "class": last}
    assert told == {
        "device": "hall-3",
        "edge": "edge-1",
        "severity": severity,
        "kind": "hall",
        "since": "2020-09-13T12:30:00Z",
        "dashboard": "http://grafana/d/iotkit?var-device=hall-3",
    }


def test_forty_readings_fit_into_a_text_variable_of_camunda() -> None:
    readings = Readings(40)
    for index in range(100):
        readings.add("d", NOON_MS + index, SensorReading(0xBC, -123.456, 100.0, "middle"))
    made = incident(record(b"alert: hall", "iotkit/d/alert"), 600.0).variables(readings.last("d"), "")
    assert len(json.loads(made["readings"]["value"])) == 40
    assert len(made["readings"]["value"]) < 4000


def test_an_alert_without_readings_is_a_warning() -> None:
    assert incident(record(b"alert: hall"), 600.0).variables([], "")["severity"]["value"] == "warning"


def test_readings_are_kept_of_a_thousand_devices() -> None:
    readings = Readings(1)
    for number in range(MOST_DEVICES + 1):
        readings.add(str(number), number, SensorReading(1, 1.0, 1.0, "low"))
    assert readings.last("0") == []
    assert readings.last("1") != []


@pytest.mark.parametrize(
    ("value", "topic", "expected"),
    [
        (b"alert: hall", "iotkit/alert", True),
        (b"alert: hall\0", "anything", True),
        (b"\xff\xfe", "iotkit/hall-3/alert", True),  # it cannot be read, and somebody has to say so
        (b"0xBC,21.00,51.4,low", "iotkit/sensor", False),
        (b"ON", "iotkit/button", False),
        (b"alert: hall", "iotkit/a/b/c", True),  # so that it is this app's dead letter and nobody else's
        (b"alert: door is open", "iotkit/actors/display", False),  # told to a board
        (b"0.5", "iotkit/actors/alert", False),
        (b"", "iotkit/sensor", False),
    ],
)
def test_what_is_an_alert(value: bytes, topic: str, *, expected: bool) -> None:
    assert is_alert(record(value, topic)) is expected


@pytest.mark.parametrize(
    ("value", "topic", "reason"),
    [
        (b"\xff\xfe", "iotkit/alert", "UTF-8"),
        (b"hello", "iotkit/alert", "no alert"),
        (b"alert:", "iotkit/alert", "does not say"),
        (b"alert: " + b"x" * 100, "iotkit/alert", "longer"),
        (b"alert: hall", f"iotkit/{'d' * 65}/alert", "longer than 64"),
        (b"alert: hall", "iotkit/a\tb/alert", "not printable"),
    ],
)
def test_an_alert_that_can_name_no_process_is_refused(value: bytes, topic: str, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        incident(record(value, topic), 600.0)


def test_only_sensors_lines_are_remembered() -> None:
    assert reading(record(b"0xBC,21.00,51.4,low", "iotkit/hall-3/sensor")) == (
        "hall-3",
        NOON_MS,
        SensorReading(0xBC, 21.0, 51.4, "low"),
    )
    assert reading(record(b"alert: hall")) is None
    assert reading(record(b"broken", "iotkit/sensor")) is None


class Engine:
    """Stands for Camunda: what was started, and whether its answer to a start gets lost."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.asked = 0
        self.loses_answer = False

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, int]:
        assert query is not None
        assert path == "/history/process-instance/count"
        assert query["processDefinitionKey"] == "Maintenance"
        self.asked += 1
        return {"count": self.started.count(query["processInstanceBusinessKey"])}

    def post(self, path: str, body: Mapping[str, Any], *, wait_s: float) -> None:
        assert path == "/process-definition/key/Maintenance/start"
        assert wait_s >= 20, "a slow start must not be asked for a second time"
        self.started.append(body["businessKey"])
        if self.loses_answer:
            raise UnavailableError("read timed out")


def test_a_process_is_started_once_even_if_the_answer_to_its_start_is_lost() -> None:
    engine = Engine()
    starter = Starter(engine, "Maintenance")
    engine.loses_answer = True
    with pytest.raises(UnavailableError):
        starter.start("a", {})
    engine.loses_answer = False
    assert not starter.start("a", {})
    assert engine.started == ["a"]


def test_a_storm_of_one_incidents_alerts_asks_camunda_once() -> None:
    engine = Engine()
    starter = Starter(engine, "Maintenance")
    assert [starter.start("a", {}) for _ in range(100)] == [True] + [False] * 99
    assert engine.asked == 1
