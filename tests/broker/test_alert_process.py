"""alert_process between a real Kafka and a stand-in for Camunda: no alert is lost, none starts two processes."""

from __future__ import annotations

import json
import time
from pathlib import Path

from infra import wiring
from tests.support.apps import alert_process, running
from tests.support.brokers import Kafka
from tests.support.fake_camunda import FakeCamunda, serving
from tests.support.load import committed, contents
from tests.support.processes import wait_until
from tests.support.readings import Boards

ALERT = b"alert: hall\0"


def _keys(camunda: FakeCamunda) -> list[str]:
    return sorted(key.split("/")[0] for key, _ in camunda.started)


def test_an_alert_starts_a_process_within_a_second_with_the_readings_before_it(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("broker"), kafka.topic("dead-letter", 1)
    boards = Boards(kafka, topic)
    with serving(FakeCamunda()) as camunda, running(alert_process(fixture_folder, kafka, topic, dead, camunda.login)) as app:
        boards.publish([("iotkit/hall-3/sensor", b"0xBC,31.00,40.0,high")])
        wait_until("the reading is read", lambda: app.metric("alert_process_records_read_total") == 1)
        begun_s = time.monotonic()
        boards.publish([("iotkit/hall-3/alert", ALERT)])
        wait_until("a process", lambda: len(camunda.started) == 1, 5.0)
        assert time.monotonic() - begun_s < 1.0
        boards.publish([("iotkit/hall-3/alert", ALERT)] * 20)
        wait_until("all are read", lambda: app.metric("alert_process_records_read_total") == 22)
        assert app.why_not_ready() is None
    ((key, variables),) = camunda.started
    told = {name: each["value"] for name, each in variables.items()}
    assert key.startswith("hall-3/hall/20")
    assert (told["device"], told["edge"], told["kind"], told["severity"]) == ("hall-3", "bridge-0", "hall", "critical")
    assert [each["temp"] for each in json.loads(told["readings"])] == [31.0]
    assert told["dashboard"].endswith("hall-3")


def test_while_camunda_is_away_alerts_wait_and_none_is_lost_or_started_twice(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("broker"), kafka.topic("dead-letter", 1)
    boards, camunda = Boards(kafka, topic), FakeCamunda()
    with running(alert_process(fixture_folder, kafka, topic, dead, camunda.login)) as app:
        boards.publish((f"iotkit/d{number:02d}/alert", ALERT) for number in range(10))
        wait_until("it waits", lambda: app.metric("alert_process_waits_total") >= 2)
        assert "Camunda" in (app.why_not_ready() or "")
        assert committed(kafka, wiring.ALERT_GROUP, topic) == 0
        app.kill()
        app.start()
        camunda.loses_answers = 1  # each costs the half minute that a slow engine is given
        with serving(camunda):
            wait_until("all are committed", lambda: committed(kafka, wiring.ALERT_GROUP, topic) == 10, 60.0)
            app.kill()
            app.start()
            boards.publish((f"iotkit/d{number:02d}/alert", ALERT) for number in range(12))
            wait_until("the rest is committed", lambda: committed(kafka, wiring.ALERT_GROUP, topic) == 22, 60.0)
    assert _keys(camunda) == [f"d{number:02d}" for number in range(12)]
    assert contents(kafka, dead) == []


def test_an_http_error_is_no_answer_the_alert_waits_and_then_has_its_process(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead, errors = kafka.topic("broker"), kafka.topic("dead-letter", 1), [500, 503, 404, 401, 429]
    with (
        serving(FakeCamunda(errors=[*errors])) as camunda,
        running(alert_process(fixture_folder, kafka, topic, dead, camunda.login)) as app,
    ):
        Boards(kafka, topic).publish([("iotkit/a/alert", ALERT), ("iotkit/b/alert", ALERT)])
        wait_until("both are committed", lambda: committed(kafka, wiring.ALERT_GROUP, topic) == 2, 60.0)
        assert app.metric("alert_process_waits_total") == len(errors)
    assert _keys(camunda) == ["a", "b"]
    assert contents(kafka, dead) == []


def test_poison_and_what_camunda_refuses_for_good_are_dead_letters(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("broker"), kafka.topic("dead-letter", 1)
    with (
        serving(FakeCamunda(refuses="bad/")) as camunda,
        running(alert_process(fixture_folder, kafka, topic, dead, camunda.login)) as app,
    ):
        poison = [("iotkit/a/alert", b"\xff\xfe"), ("iotkit/a/alert", b"hello"), ("iotkit/bad/alert", ALERT)]
        Boards(kafka, topic).publish(
            [*poison, ("iotkit/good/alert", ALERT), ("iotkit/a/sensor", b"\xff"), ("iotkit/button", b"ON")]
        )
        wait_until("all are read", lambda: app.metric("alert_process_dead_lettered_total") == 3)
        wait_until("all are committed", lambda: committed(kafka, wiring.ALERT_GROUP, topic) == 6)
    assert _keys(camunda) == ["good"]
    letters = contents(kafka, dead)
    assert sorted(value for _, value, _ in letters) == sorted(payload for _, payload in poison)
    assert any("it is refused" in headers["reason"] for _, _, headers in letters)


def test_after_a_restart_the_readings_are_read_back_without_starting_anything(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("broker", 1), kafka.topic("dead-letter", 1)
    boards = Boards(kafka, topic)
    with serving(FakeCamunda()) as camunda, running(alert_process(fixture_folder, kafka, topic, dead, camunda.login)) as app:
        boards.publish([("iotkit/a/sensor", b"0x1,30.50,40.0,high"), ("iotkit/b/alert", ALERT)])
        wait_until("both are committed", lambda: committed(kafka, wiring.ALERT_GROUP, topic, 1) == 2)
        app.terminate()
        camunda.started.clear()  # so that a second effect would show
        app.start()
        app.wait_until_ready()
        boards.publish([("iotkit/a/alert", ALERT)])
        wait_until("a process", lambda: len(camunda.started) == 1)
    assert _keys(camunda) == ["a"]
    assert json.loads(camunda.started[0][1]["readings"]["value"])[0]["temp"] == 30.5


def test_a_new_group_leaves_the_alerts_of_yesterday_alone(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("broker", 1), kafka.topic("dead-letter", 1)
    boards = Boards(kafka, topic)
    boards.publish([("iotkit/old/alert", ALERT)])
    time.sleep(2.5)
    boards.publish([("iotkit/new/alert", ALERT)])
    camunda = FakeCamunda()
    with serving(camunda), running(alert_process(fixture_folder, kafka, topic, dead, camunda.login, ALERT_PROCESS_FIRST_S="2")):
        wait_until("a process", lambda: bool(camunda.started))
        wait_until("it is committed", lambda: committed(kafka, wiring.ALERT_GROUP, topic, 1) == 2)
    assert _keys(camunda) == ["new"]
