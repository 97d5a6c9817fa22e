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


@pytest.mark.parametrize("records", [5, 30, 31, 400], ids="{} records in the new topic".format)
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
