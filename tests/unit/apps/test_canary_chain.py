"""The canary's hops beyond the core, told from what came to Kafka; and the lane through an app."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from alert_process.canary import CanaryProcess
from canary.chain import judged, legs
from canary.kafka import Arrival
from canary.report import ALERT, CSV, NODE_RED, NOT_SEEN, Report, why
from canary.settings import CanarySettings
from csv_sink.canary import keep
from runtime.errors import UnavailableError
from runtime.lane import Lane, LaneSettings
from telemetry.record import Record, arrival_headers

from infra import wiring
from infra.lab.paths import ROOT
from infra.settings import Settings
from tests.support.program import run_program


@cache
def environment(*services: str) -> dict[str, str]:
    """What the program gives the canary of a stack; of one with everything if it names no service."""
    given: dict[str, str] = run_program({"services": services} if services else {}).charts()["canary"][1]["env"]
    return given


def settings(*hops: str) -> CanarySettings:
    """As the program gives them for a stack with everything, with these hops."""
    told = {key.removeprefix("CANARY_").lower(): value for key, value in environment().items()}
    known = {key: json.loads(value) if key in {"topics", "hops", "mqtt_uris"} else value for key, value in told.items()}
    nowhere = {"METRICS_PORT": "1", "mqtt_password_file": "/nowhere", "influx_password_file": "/nowhere"}
    return CanarySettings.model_validate(known | nowhere | {"hops": hops or known["hops"]})


def record(topic: str, value: bytes) -> Record:
    device = topic.split("/")[1]
    return Record("lane", 0, 0, topic, value, arrival_headers(topic, device, "bridge-0", 1_700_000_000_000), 0)


def test_a_stack_has_the_hops_of_its_services() -> None:
    assert settings().hops == ("node-red", "csv", "alert")
    assert json.loads(environment("core")["CANARY_HOPS"]) == []
    some = Settings.parse({"iotlab:services": ["core", "camunda", "iot-kafka-alert"]})
    assert some.canary_hops == ("alert",)


def test_canaries_carry_the_reserved_device_and_are_what_boards_send() -> None:
    flown = {leg.hop.name: leg for leg in legs(settings(), "lab-canary-0123")}
    assert list(flown) == list(wiring.CANARY_HOPS)
    assert all(wiring.RESERVED_DEVICE in leg.topic.split("/") for leg in flown.values())
    assert re.fullmatch(rb"0x[0-9A-F]{2,8},20\.00,50\.0,low", flown["csv"].payload)
    assert flown["alert"].payload == b"alert: lab-canary-0123"


def test_no_two_canaries_are_the_same() -> None:
    assert len({legs(settings("csv"), "n")[0].payload for _ in range(200)}) == 200


def test_a_latency_is_counted_from_when_the_message_was_in_kafka() -> None:
    (csv,) = legs(settings("csv"), "n")
    assert judged(csv, 10.0, {csv.passed: Arrival(10.4), csv.done: Arrival(10.5)}).latency_ms == 100.0
    (flow,) = legs(settings("node-red"), "n")
    assert judged(flow, 10.0, {flow.done: Arrival(10.5)}).latency_ms == 500.0


def test_a_red_hop_names_who_is_to_blame_and_the_next_command() -> None:
    (alert,) = legs(settings("alert"), "n")
    assert why(judged(alert, 0.0, {alert.passed: Arrival(1.0), alert.done: Arrival(2.0, "Camunda answers 404: no")})) == (
        "iot-kafka-alert says: Camunda answers 404: no; run ./lab logs iot-kafka-alert and ./lab logs camunda"
    )
    lost = why(judged(alert, 0.0, {})) or ""
    assert lost == "its message is in Mosquitto, but does not come to Kafka; run ./lab logs bridge"
    for hop in (NODE_RED, CSV, ALERT):
        told = why(replace(hop, error=NOT_SEEN)) or ""
        assert f"./lab logs {wiring.CANARY_HOPS[hop.name]}" in told
    assert not Report([replace(CSV, error=NOT_SEEN)]).ok


def test_the_doctors_row_is_alone_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / Path(wiring.CANARY_FILE).name
    for number in (1, 2):
        assert keep(file, record("lab-canary-iotkit/lab-canary/sensor", f"0x{number:02X},20.00,50.0,low".encode()))
    assert file.read_text() == "0x02,20.00,50.0,low\n"
    assert not keep(file, record("lab-canary-iotkit/lab-canary/alert", b"alert: n"))
    file.unlink()
    file.mkdir()
    with pytest.raises(UnavailableError, match="Is a directory"):
        keep(file, record("lab-canary-iotkit/lab-canary/sensor", b"0x01,20.00,50.0,low"))


class Engine:
    """Stands for Camunda: it shows what was started unless it is blind."""

    def __init__(self, *, blind: bool = False) -> None:
        self.started: list[str] = []
        self._blind = blind

    def get(self, _path: str, query: Any = None) -> Any:
        assert query["processDefinitionKey"] == wiring.CANARY_PROCESS
        return {"count": 0 if self._blind else self.started.count(query["processInstanceBusinessKey"])}

    def post(self, path: str, body: Any, *, wait_s: float) -> None:
        assert path == f"/process-definition/key/{wiring.CANARY_PROCESS}/start"
        assert body["variables"] == {}
        assert wait_s > 0
        self.started.append(body["businessKey"])


def test_the_doctors_alert_starts_its_own_process_and_is_seen_there() -> None:
    engine = Engine()
    canaries = CanaryProcess(engine, wiring.CANARY_PROCESS, 600.0)
    assert canaries.start(record("lab-canary-iotkit/lab-canary/alert", b"alert: lab-canary-0123"))
    assert not canaries.start(record("lab-canary-iotkit/lab-canary/sensor", b"0x01,20.00,50.0,low"))
    (key,) = engine.started
    assert key.startswith("lab-canary/lab-canary-0123/")
    with pytest.raises(UnavailableError, match="does not show"):
        CanaryProcess(Engine(blind=True), wiring.CANARY_PROCESS, 600.0).start(record("a/b/alert", b"alert: n"))


def test_the_doctors_process_is_known_by_one_name_and_has_no_task() -> None:
    model = (ROOT / "charts/camunda/processes/LabCanary.bpmn").read_text()
    assert f'<bpmn:process id="{wiring.CANARY_PROCESS}"' in model
    assert 'isStartableInTasklist="false"' in model
    assert "Task " not in model
    assert f'"{wiring.CANARY_PROCESS}"' in (ROOT / "charts/camunda/image/java/iotlab/Sweeper.java").read_text()


def test_an_app_without_a_lane_asks_nobody() -> None:
    told = {"METRICS_PORT": "1", "brokerlist": "127.0.0.1:9", "group": "g", "topic": "t", "dead_letter_topic": "d"}
    lane = Lane(LaneSettings.model_validate(told), "app", cast("Any", None))
    lane.serve(None)
    lane.close()


def test_the_lanes_are_a_small_share_and_have_one_partition() -> None:
    assert sum(topic.share for topic in wiring.TOPICS) <= 1.0
    assert not any(topic.spread for topic in wiring.LANES)
    assert sum(lane.share for lane in wiring.LANES) <= 0.03
