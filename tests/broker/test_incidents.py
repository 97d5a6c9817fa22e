"""From an alert in Kafka to a verdict in Kafka, through the real engine with the lab's own models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.camunda import Camunda as Rest

from infra import wiring
from tests.support.apps import alert_process, process_worker, running
from tests.support.brokers import Kafka
from tests.support.camunda import Camunda, camunda
from tests.support.fake_camunda import Login
from tests.support.load import committed, contents
from tests.support.processes import wait_until
from tests.support.readings import Boards

__all__ = ["camunda"]

ALERT = b"alert: hall"


def _login(camunda: Camunda) -> Login:
    return f"{camunda.url}/engine-rest", "worker", camunda.password("worker")


def _instances(camunda: Camunda, device: str) -> list[dict[str, Any]]:
    found = camunda.rest("GET", f"/history/process-instance?processDefinitionKey={wiring.MAINTENANCE_PROCESS}", user="admin")
    return [each for each in found if each["businessKey"].startswith(f"{device}/")]


def _task(camunda: Camunda, instance: str) -> str:
    return str(camunda.rest("GET", f"/task?processInstanceId={instance}", user="admin")[0]["id"])


def _complete(camunda: Camunda, task: str, **variables: str | bool) -> None:
    kinds = {True: "Boolean", False: "String"}
    told = {name: {"value": value, "type": kinds[isinstance(value, bool)]} for name, value in variables.items()}
    camunda.rest("POST", f"/task/{task}/complete", {"variables": told}, user="admin", status=204)


def test_a_verdict_comes_back_under_the_alerts_incident(camunda: Camunda, kafka: Kafka, fixture_folder: Path) -> None:
    topic, verdicts, dead = kafka.topic("broker"), kafka.topic("verdicts", 1), kafka.topic("dead-letter", 1)
    boards = Boards(kafka, topic)
    with (
        running(alert_process(fixture_folder, kafka, topic, dead, _login(camunda))) as app,
        running(process_worker(fixture_folder, kafka.address, verdicts, _login(camunda))),
    ):
        boards.publish([("iotkit/hall-7/sensor", b"0xBC,31.00,40.0,high")])
        wait_until("the reading is read", lambda: app.metric("alert_process_records_read_total") == 1)
        boards.publish([("iotkit/hall-7/alert", ALERT)] * 3)
        wait_until("all are committed", lambda: committed(kafka, wiring.ALERT_GROUP, topic) == 4)
        (instance,) = _instances(camunda, "hall-7")
        variables = camunda.rest("GET", f"/process-instance/{instance['id']}/variables", user="admin")
        assert variables["severity"]["value"] == "critical"
        assert json.loads(variables["readings"]["value"])[-1]["temp"] == 31.0
        _complete(camunda, _task(camunda, instance["id"]), verdict="confirmed", cause="bearing")
        wait_until("the verdict is in Kafka", lambda: len(contents(kafka, verdicts)) == 1)
        wait_until("the process is finished", lambda: _instances(camunda, "hall-7")[0]["state"] == "COMPLETED")
        app.kill()
        app.start()
        boards.publish([("iotkit/hall-7/alert", ALERT)])
        wait_until("all are committed", lambda: committed(kafka, wiring.ALERT_GROUP, topic) == 5, 60.0)
    assert len(_instances(camunda, "hall-7")) == 1
    ((key, value, _),) = contents(kafka, verdicts)
    told = json.loads(value)
    assert key == told["incident"] == instance["businessKey"]
    assert (told["device"], told["verdict"], told["cause"]) == ("hall-7", "confirmed", "bearing")
    assert contents(kafka, dead) == []


def test_an_invoice_that_is_released_gets_its_booking_number(camunda: Camunda, kafka: Kafka, fixture_folder: Path) -> None:
    with running(process_worker(fixture_folder, kafka.address, kafka.topic("verdicts", 1), _login(camunda))):
        given = {"rnr": {"value": "123", "type": "long"}, "rbetrag": {"value": "200.00", "type": "String"}}
        started = camunda.rest("POST", f"/process-definition/key/{wiring.INVOICE_PROCESS}/start", {"variables": given})
        _complete(camunda, _task(camunda, started["id"]))
        _complete(camunda, _task(camunda, started["id"]), freigegeben=True)
        query = f"/history/variable-instance?processInstanceId={started['id']}&variableName=buchungsnr"
        wait_until("it is booked", lambda: bool(camunda.rest("GET", query, user="admin")))
        assert camunda.rest("GET", query, user="admin")[0]["value"].startswith("B-")


def test_an_invoice_that_cannot_be_booked_is_an_incident_that_says_why(
    camunda: Camunda, kafka: Kafka, fixture_folder: Path
) -> None:
    more = {"PROCESS_WORKER_RETRIES": "1", "PROCESS_WORKER_RETRY_S": "0.2"}
    with running(process_worker(fixture_folder, kafka.address, kafka.topic("verdicts", 1), _login(camunda), **more)):
        started = camunda.rest("POST", f"/process-definition/key/{wiring.INVOICE_PROCESS}/start", {})["id"]
        _complete(camunda, _task(camunda, started))
        _complete(camunda, _task(camunda, started), freigegeben=True)
        query = f"/incident?processInstanceId={started}"
        wait_until("there is an incident", lambda: bool(camunda.rest("GET", query, user="admin")))
    (incident,) = camunda.rest("GET", query, user="admin")
    assert "rnr is empty" in incident["incidentMessage"]


def test_a_task_that_was_taken_and_not_begun_is_unlocked_for_the_next(camunda: Camunda) -> None:
    started = camunda.rest("POST", f"/process-definition/key/{wiring.INVOICE_PROCESS}/start", {})["id"]
    _complete(camunda, _task(camunda, started))
    _complete(camunda, _task(camunda, started), freigegeben=True)
    topics = [{"topicName": wiring.BOOK_INVOICE, "lockDuration": 60_000}]
    rest = Rest(*_login(camunda))
    for worker in ("a", "b"):
        (taken,) = rest.post("/external-task/fetchAndLock", {"workerId": worker, "maxTasks": 9, "topics": topics})
        assert rest.post(f"/external-task/{taken['id']}/unlock", {}) is None


def test_an_engine_that_is_killed_amid_a_storm_of_alerts_loses_none_and_has_none_twice(
    camunda: Camunda, kafka: Kafka, fixture_folder: Path
) -> None:
    topic, dead = kafka.topic("broker"), kafka.topic("dead-letter", 1)
    with running(alert_process(fixture_folder, kafka, topic, dead, _login(camunda))) as app:
        Boards(kafka, topic).publish((f"iotkit/storm-{number:03d}/alert", ALERT) for number in range(200))
        wait_until("some are started", lambda: app.metric("alert_process_records_used_total") >= 20, 60.0)
        camunda.kill()
        camunda.start()
        wait_until("all are committed", lambda: committed(kafka, wiring.ALERT_GROUP, topic) == 200, 120.0)
    found = camunda.rest("GET", "/history/process-instance?processInstanceBusinessKeyLike=storm-%25", user="admin")
    keys = [each["businessKey"] for each in found]
    assert sorted(key.split("/")[0] for key in keys) == [f"storm-{number:03d}" for number in range(200)]
    assert contents(kafka, dead) == []
