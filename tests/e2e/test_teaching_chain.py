"""The lesson's chain in the running lab: a board publishes, three consumers act, a process starts, its end is known in Kafka."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import urllib3
from paho.mqtt.enums import CallbackAPIVersion

from infra import wiring
from infra.lab.lab import Lab
from tests.support.lab import kubectl, lab_json, records, until

pytestmark = pytest.mark.usefixtures("running")

REST = f"http://127.0.0.1:{wiring.node_port('camunda')}/engine-rest"
DONE_WITHIN_S = 60.0


@pytest.fixture(autouse=True)
def _where_the_lab_has_the_chain(ours: bool) -> None:
    if not ours:
        pytest.skip("it leaves rows, tasks and dead letters: stop this lab (./lab down) to have it tried in another")
    missing = {"camunda", "iot-kafka-consumer", "iot-kafka-pipe", "iot-kafka-alert", "process-worker"} - Lab().settings.chosen
    if missing:
        pytest.skip(f"the stack `local` has no {', '.join(sorted(missing))}: add the set teaching to its services")


@pytest.fixture
def publish() -> Iterator[Callable[[str, str], None]]:
    """Publish as a board with the login that `./lab access` prints, QoS 1."""
    entry = lab_json("access")["mosquitto"]
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="")
    client.username_pw_set(entry["user"], entry["password"])
    client.connect("127.0.0.1", wiring.node_port("mosquitto"))
    client.loop_start()
    yield lambda topic, payload: client.publish(topic, payload, 1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def device() -> str:
    """A board that nobody else is."""
    return f"e2e-{secrets.token_hex(4)}"


def rest(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Camunda's REST as the lab's administrator."""
    entry = lab_json("access")["camunda"]
    headers = {"Connection": "close"} | urllib3.make_headers(basic_auth=f"{entry['user']}:{entry['password']}")
    answer = urllib3.request(method, REST + path, headers=headers, json=body, timeout=30)
    assert answer.status in {200, 204}, answer.data.decode()
    return json.loads(answer.data) if answer.data else None


def documents(topic: str, device: str) -> list[dict[str, Any]]:
    """The documents of a topic that are about a device."""
    return [json.loads(record["value"]) for record in records(topic) if device in record["value"]]


def _dead(payload: str) -> list[dict[str, Any]]:
    return [record for record in records(wiring.DEAD_LETTER.name) if record["value"] == payload]


def rows(sensor: str) -> list[str]:
    """The rows of a sensor in the file that notebooks read."""
    file = kubectl("exec", "jupyter-0", "-c", "jupyter", "--", "cat", wiring.CSV_FILE)
    return [line for line in file.splitlines() if line.startswith(f"{sensor},")]


def test_one_published_reading_is_one_record_one_row_and_one_document(publish: Callable[[str, str], None], device: str) -> None:
    sensor = f"0x{secrets.randbelow(2**24) + 2**24:X}"
    publish(f"{wiring.IOTKIT_MQTT}/{device}/sensor", f"{sensor},21.50,48.5,low\0")
    until(lambda: bool(rows(sensor)), DONE_WITHIN_S)
    assert rows(sensor) == [f"{sensor},21.50,48.5,low"], "the trailing NUL of old boards is gone"
    assert sum(sensor in record["value"] for record in records(wiring.BROKER_MESSAGE.name)) == 1
    until(lambda: bool(documents(wiring.IOT.name, device)), DONE_WITHIN_S)
    found = documents(wiring.IOT.name, device)
    assert [document["humtemp"] for document in found] == [{"temp": 21.5, "hum": 48.5}]


def test_what_is_no_reading_is_one_dead_letter_with_its_reason_and_stops_nothing(
    publish: Callable[[str, str], None], device: str
) -> None:
    payload = f"neither,this,nor,{device}"
    publish(f"{wiring.IOTKIT_MQTT}/{device}/sensor", payload)
    until(lambda: bool(_dead(payload)), DONE_WITHIN_S)
    time.sleep(2.0)  # the three who read it are through by now
    (letter,) = _dead(payload)
    assert letter["headers"]["reason"]
    assert letter["headers"]["source"].startswith("timeseries ")


def test_an_alert_starts_one_process_and_the_technicians_verdict_is_in_kafka(
    publish: Callable[[str, str], None], device: str
) -> None:
    publish(f"{wiring.IOTKIT_MQTT}/{device}/sensor", "0xBC,31.00,51.4,high")
    for _ in range(2):
        publish(f"{wiring.IOTKIT_MQTT}/{device}/alert", "alert: hall")
    until(lambda: bool(_instances(device)), DONE_WITHIN_S)
    time.sleep(2.0)  # the second alert is through by now
    (instance,) = _instances(device)
    told = {name: one["value"] for name, one in rest("GET", f"/process-instance/{instance['id']}/variables").items()}
    assert (told["device"], told["severity"], told["kind"]) == (device, "critical", "hall")
    assert json.loads(told["readings"])[-1]["temp"] == 31.0
    assert told["dashboard"].endswith(device if Lab().settings.has("grafana") else "")
    _complete(instance["id"], {"verdict": "confirmed", "cause": "bearing"})
    until(lambda: bool(documents(wiring.VERDICTS.name, device)), DONE_WITHIN_S)
    (verdict,) = documents(wiring.VERDICTS.name, device)
    assert (verdict["device"], verdict["verdict"], verdict["cause"]) == (device, "confirmed", "bearing")
    assert verdict["incident"] == instance["businessKey"]


def test_an_invoice_of_the_old_lessons_goes_through_and_its_service_task_is_answered() -> None:
    number = str(secrets.randbelow(10**9))
    body = {"variables": {"rnr": {"value": number, "type": "long"}, "rbetrag": {"value": "200.00", "type": "String"}}}
    started = rest("POST", f"/process-definition/key/{wiring.INVOICE_PROCESS}/start", body)
    for variables in ({}, {"freigegeben": True}):
        until(lambda: bool(rest("GET", f"/task?processInstanceId={started['id']}")), DONE_WITHIN_S)
        _complete(started["id"], variables)
    history = f"/history/variable-instance?processInstanceId={started['id']}&variableName=buchungsnr"
    until(lambda: bool(rest("GET", history)), DONE_WITHIN_S)
    until(lambda: rest("GET", f"/history/process-instance/{started['id']}")["state"] == "COMPLETED", DONE_WITHIN_S)


def _instances(device: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rest("GET", f"/process-instance?variables=device_eq_{device}")
    return found


def _complete(instance: str, variables: dict[str, Any]) -> None:
    (task,) = rest("GET", f"/task?processInstanceId={instance}")
    rest("POST", f"/task/{task['id']}/complete", {"variables": {name: {"value": value} for name, value in variables.items()}})
