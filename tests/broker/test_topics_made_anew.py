"""Consumers whose topic is deleted and made anew while they run: every record of the new one has its effect, once."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from infra import wiring
from tests.support.apps import App, alert_process, csv_sink, json_pipe, running, timeseries
from tests.support.brokers import Influx, Kafka
from tests.support.fake_camunda import FakeCamunda, serving
from tests.support.load import committed, contents
from tests.support.processes import wait_until
from tests.support.readings import Boards, sensor

OLD = range(30)


def _said_once(app: App, topic: str) -> bool:
    return app.log.read_text().count(f"the topic {topic} was made anew") == 1


@pytest.mark.parametrize("records", [30, 400], ids="{} records in the new topic".format)
def test_every_reading_of_the_new_topic_gets_its_row_and_none_two(kafka: Kafka, fixture_folder: Path, records: int) -> None:
    topic, dead, file = kafka.topic("broker", 1), kafka.topic("dead-letter", 1), fixture_folder / "ml-data.csv"
    with running(csv_sink(fixture_folder, kafka, topic, dead, file)) as app:
        Boards(kafka, topic).sensors(OLD)
        wait_until("they are committed", lambda: committed(kafka, wiring.CSV_GROUP, topic, 1) == len(OLD))
        kafka.anew(topic, 1)
        Boards(kafka, topic).sensors(range(1000, 1000 + records))
        wait_until("they are committed", lambda: committed(kafka, wiring.CSV_GROUP, topic, 1) == records, 60.0)
        Boards(kafka, topic).sensors(range(5000, 5010))
        wait_until("ten more", lambda: committed(kafka, wiring.CSV_GROUP, topic, 1) == records + 10, 60.0)
        assert app.metric("csv_sink_topics_renewed_total") == 1
        assert _said_once(app, topic)
    wanted = [*OLD, *range(1000, 1000 + records), *range(5000, 5010)]
    assert Counter(file.read_text().splitlines()) == Counter(sensor(number).decode() for number in wanted)


def test_every_reading_of_the_new_topic_is_one_document(kafka: Kafka, fixture_folder: Path) -> None:
    topic, output, dead = kafka.topic("broker", 1), kafka.topic("pipe", 1), kafka.topic("dead-letter", 1)
    with running(json_pipe(fixture_folder, kafka, topic, output, dead)) as app:
        Boards(kafka, topic).sensors(OLD)
        wait_until("they are committed", lambda: committed(kafka, wiring.PIPE_GROUP, topic, 1) == len(OLD))
        kafka.anew(topic, 1)
        Boards(kafka, topic).publish(("iotkit/anew/sensor", sensor(number)) for number in range(50))
        wait_until("they are committed", lambda: committed(kafka, wiring.PIPE_GROUP, topic, 1) == 50, 60.0)
        assert _said_once(app, topic)
    found = [json.loads(value) for key, value, _ in contents(kafka, output) if key == "anew"]
    assert Counter(each["humtemp"]["temp"] for each in found) == {20.25 + number: 5 for number in range(10)}


def test_every_alert_of_the_new_topic_starts_its_process(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("broker", 1), kafka.topic("dead-letter", 1)
    with serving(FakeCamunda()) as camunda, running(alert_process(fixture_folder, kafka, topic, dead, camunda.login)) as app:
        Boards(kafka, topic).sensors(OLD)
        wait_until("they are committed", lambda: committed(kafka, wiring.ALERT_GROUP, topic, 1) == len(OLD))
        kafka.anew(topic, 1)
        Boards(kafka, topic).publish((f"iotkit/a{number:02d}/alert", b"alert: hall") for number in range(40))
        wait_until("they are committed", lambda: committed(kafka, wiring.ALERT_GROUP, topic, 1) == 40, 60.0)
        assert _said_once(app, topic)
    assert sorted(key.split("/")[0] for key, _ in camunda.started) == [f"a{number:02d}" for number in range(40)]


def test_every_reading_of_the_new_topic_is_a_point(kafka: Kafka, influx: Influx, fixture_folder: Path) -> None:
    topic, dead, now_ms = kafka.topic("broker", 1), kafka.topic("dead-letter", 1), time.time_ns() // 1_000_000
    with running(timeseries(fixture_folder, kafka, influx.url, {"broker_message": topic}, dead)) as app:
        Boards(kafka, topic).sensors(OLD)
        wait_until("they are committed", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic, 1) == len(OLD))
        kafka.anew(topic, 1)
        for number in range(40):
            Boards(kafka, topic).publish([("iotkit/anew-points/sensor", sensor(number))], now_ms + number)
        wait_until("they are committed", lambda: committed(kafka, wiring.TIMESERIES_GROUP, topic, 1) == 40, 60.0)
        assert _said_once(app, topic)
    points = influx.ask("SELECT temperature FROM iotkit WHERE device = 'anew-points'", wiring.IOTKIT_DB)
    assert len(points) == 40
