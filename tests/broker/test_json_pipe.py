"""json_pipe between two topics of a real Kafka: one reading is one document, whatever is killed."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path

from infra import wiring
from tests.support.apps import json_pipe, running
from tests.support.brokers import Kafka
from tests.support.load import committed, contents
from tests.support.processes import wait_until
from tests.support.readings import Boards, sensor


def _documents(kafka: Kafka, topic: str) -> list[tuple[str, dict[str, object]]]:
    return [(key, json.loads(value)) for key, value, _ in contents(kafka, topic)]


def test_a_reading_is_one_valid_document_keyed_by_its_device(kafka: Kafka, fixture_folder: Path) -> None:
    topic, output, dead = kafka.topic("broker"), kafka.topic("pipe"), kafka.topic("dead-letter", 1)
    with running(json_pipe(fixture_folder, kafka, topic, output, dead)) as app:
        sent = [
            ("iotkit/hall-3/sensor", b"0xBC,22.90,36.9,low\0"),
            ("iotkit/hall-3/alert", b"alert: hall"),
            ("iotkit/sensor", b"\xff"),
        ]
        Boards(kafka, topic).publish(sent)
        wait_until("all are read", lambda: app.metric("json_pipe_records_read_total") == 3)
        assert app.metric("json_pipe_records_skipped_total") == app.metric("json_pipe_dead_lettered_total") == 1
    wanted = {"humtemp": {"temp": 22.9, "hum": 36.9}, "device": "hall-3", "edge": "bridge-0"}
    assert _documents(kafka, output) == [("hall-3", wanted)]
    ((_, value, headers),) = contents(kafka, dead)
    assert value == b"\xff"
    assert "UTF-8" in headers["reason"]


def test_one_reading_is_one_document_across_kill_9_at_any_moment(kafka: Kafka, fixture_folder: Path) -> None:
    topic, output, dead = kafka.topic("broker"), kafka.topic("pipe"), kafka.topic("dead-letter", 1)
    boards, draw, total = Boards(kafka, topic), random.Random(5), 0
    small = {"JSON_PIPE_BATCH": "50", "JSON_PIPE_BATCH_WAIT_S": "0.02"}
    with running(json_pipe(fixture_folder, kafka, topic, output, dead, **small)) as app:
        for _ in range(5):
            boards.sensors(range(total, total + 1500))
            total += 1500
            time.sleep(draw.uniform(0.0, 0.5))
            app.kill()
            app.start()
            app.wait_until_ready(60.0)
        wait_until("all are committed", lambda: committed(kafka, wiring.PIPE_GROUP, topic) == total, 60.0)
    found = Counter(json.dumps(document) for _, document in _documents(kafka, output))
    wanted: Counter[str] = Counter()
    for number in range(total):
        cells = sensor(number).decode().split(",")
        reading = {
            "humtemp": {"temp": float(cells[1]), "hum": float(cells[2])},
            "device": f"board-{number % 10}",
            "edge": "bridge-0",
        }
        wanted[json.dumps(reading)] += 1
    assert found == wanted
