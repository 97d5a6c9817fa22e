"""Node-RED's own alert flow against the real engine: one process for an incident, told the same as iot-kafka-alert tells."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from alert_process.incidents import Readings, incident, reading
from telemetry.record import Record, arrival_headers

from infra import wiring
from infra.services.flows import EDGE
from tests.support.boards import connect
from tests.support.brokers import Kafka, Mosquitto
from tests.support.camunda import Camunda, camunda
from tests.support.load import contents
from tests.support.node_red import NodeRed, running, topics_of_a_test
from tests.support.processes import wait_until

__all__ = ["camunda"]

WINDOW_S = 600  # of infra/services/node_red_incident.js


def _flows(folder: Path, mosquitto: Mosquitto, kafka: Kafka, camunda: Camunda) -> NodeRed:
    left_s = WINDOW_S - time.time() % WINDOW_S
    if left_s < 60:  # alerts on either side of a window's end are two incidents
        time.sleep(left_s + 1)
    made = NodeRed(folder / "node-red", mosquitto, kafka, topics_of_a_test(kafka))
    made.write_config(camunda=camunda.url)
    return made


def _instances(camunda: Camunda, device: str) -> list[dict[str, Any]]:
    query = f"/history/process-instance?processInstanceBusinessKeyLike={device}/%25"
    found: list[dict[str, Any]] = camunda.rest("GET", query, user="admin")
    return found


def _told(camunda: Camunda, device: str) -> dict[str, str]:
    (instance,) = _instances(camunda, device)
    said = camunda.rest("GET", f"/process-instance/{instance['id']}/variables", user="admin")
    return {name: variable["value"] for name, variable in said.items()}


def test_two_copies_within_a_millisecond_are_one_process(
    mosquitto: Mosquitto, kafka: Kafka, camunda: Camunda, tmp_path: Path
) -> None:
    flows = _flows(tmp_path, mosquitto, kafka, camunda)
    with running(flows):
        board = connect(mosquitto)
        for number in range(20):
            for _ in range(3):
                board.publish(f"iotkit/pair-{number}/alert", b"alert: hall\0", 1)
        wait_until("all are settled", lambda: len(_instances(camunda, "pair-19")) > 0, 60.0)
        wait_until("for each device", lambda: all(_instances(camunda, f"pair-{number}") for number in range(20)), 60.0)
        time.sleep(6.0)  # the flow looks every 5 s for what waits
        board.disconnect()
        board.loop_stop()
    assert [len(_instances(camunda, f"pair-{number}")) for number in range(20)] == [1] * 20
    own = contents(kafka, flows.topics[wiring.BROKER_MESSAGE.name])
    assert len(own) == 60, "the alert flow's own subscriptions don't bring a message twice to the one that carries"


def test_the_process_is_told_what_iot_kafka_alert_would_tell(
    mosquitto: Mosquitto, kafka: Kafka, camunda: Camunda, tmp_path: Path
) -> None:
    sent = [
        ("iotkit/mill 1/sensor", b"0xBC,21.00,51.4,low\0"),
        ("iotkit/other/sensor", b"0xBC,99.00,51.4,low"),
        ("iotkit/mill 1/sensor", b"0xBC,1_0,51.4,low"),
        ("iotkit/mill 1/sensor", b"0xBC,31.25,40.0,high"),
        *[("iotkit/sensor", b"0xC2,%d,40.0,low" % number) for number in range(25)],
    ]
    alerts = [("iotkit/mill 1/alert", b"alert: hall:2\0"), ("iotkit/alert", b"alert: hall")]
    flows = _flows(tmp_path, mosquitto, kafka, camunda)
    with running(flows):
        board = connect(mosquitto)
        for topic, payload in sent:
            board.publish(topic, payload, 1).wait_for_publish(5.0)
        time.sleep(1.0)  # what is not acknowledged before the end comes again after it
        flows.terminate()  # what a device measured is remembered over a restart
        flows.start()
        for topic, payload in alerts:
            board.publish(topic, payload, 1).wait_for_publish(5.0)
        wait_until("both are there", lambda: all(_instances(camunda, device) for device in ("mill 1", EDGE)), 60.0)
        board.disconnect()
        board.loop_stop()
    readings = Readings(20)
    for topic, payload in sent:
        if (found := reading(_record(topic, payload))) is not None:
            readings.add(*found)
    for topic, payload in alerts:
        made = incident(_record(topic, payload), float(WINDOW_S))
        expected = made.variables(readings.last(made.device), wiring.DASHBOARD_URL)
        told = _told(camunda, made.device)
        assert _comparable(told) == _comparable({name: each["value"] for name, each in expected.items()})
        assert _instances(camunda, made.device)[0]["businessKey"] == made.key
    assert _told(camunda, "mill 1")["severity"] == "critical"


def _record(topic: str, payload: bytes) -> Record:
    levels = topic.split("/")
    device = levels[1] if len(levels) == 3 else EDGE
    now_ms = int(time.time() * 1000)
    return Record("", 0, 0, topic, payload, arrival_headers(topic, device, EDGE, now_ms), now_ms)


def _comparable(variables: dict[str, str]) -> dict[str, Any]:
    """Without the times, which are those of two arrivals."""
    readings = [each | {"time": len(each["time"])} for each in json.loads(variables["readings"])]
    return variables | {"readings": readings, "since": len(variables["since"])}


def test_an_alert_outlives_a_camunda_that_is_away_a_deploy_and_a_restart(
    mosquitto: Mosquitto, kafka: Kafka, camunda: Camunda, tmp_path: Path
) -> None:
    flows = _flows(tmp_path, mosquitto, kafka, camunda)
    camunda.kill()
    try:
        with running(flows):
            board = connect(mosquitto)
            board.publish("iotkit/lathe/alert", b"alert: hall", 1).wait_for_publish(5.0)
            board.publish("iotkit/lathe/alert", b"nonsense", 1).wait_for_publish(5.0)
            wait_until("the nonsense is told", lambda: "no process is started: 'nonsense' of lathe" in flows.log.read_text())
            nodes = flows.flows()
            next(node for node in nodes if node["id"] == "iotlab-alert-count")["name"] = "asked"
            flows.deploy(nodes)
            time.sleep(6.0)  # as long as a kill -9 may take back
            flows.kill()
            flows.start()
            camunda.start()
            wait_until("the process is started", lambda: len(_instances(camunda, "lathe")) == 1, 60.0)
            board.publish("iotkit/lathe/alert", b"alert: hall", 1).wait_for_publish(5.0)
            time.sleep(6.0)
            board.disconnect()
            board.loop_stop()
    finally:
        if not camunda.alive:
            camunda.start()
    assert len(_instances(camunda, "lathe")) == 1
