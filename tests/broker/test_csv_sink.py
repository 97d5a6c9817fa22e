"""csv_sink behind a real Kafka: one record is one row, whatever is killed, and what a person did to the file stays."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

from infra import wiring
from tests.support.apps import csv_sink, running
from tests.support.brokers import Kafka
from tests.support.load import committed, contents
from tests.support.processes import wait_until
from tests.support.readings import Boards, sensor

POISON = [b"", b"\0", b"\xff\xfe\x00\x01", b"0xBC,21.00", b"0xBC,nan,51.4,low", b"0xBC,21.00,51.4,hot", b"," * 5000]


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_readings_become_rows_and_other_messages_are_counted(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead, file = kafka.topic("broker"), kafka.topic("dead-letter", 1), fixture_folder / "ml-data.csv"
    boards = Boards(kafka, topic)
    with running(csv_sink(fixture_folder, kafka, topic, dead, file)) as app:
        boards.publish([("iotkit/sensor", b"0xBC,21.00,51.4,low\0"), ("iotkit/alert", b"alert: hall"), ("iotkit/button", b"ON")])
        wait_until("all are read", lambda: app.metric("csv_sink_records_read_total") == 3)
        assert app.metric("csv_sink_records_skipped_total") == 2
        assert app.terminate() == 0
        assert "value = 0xBC,21.00,51.4,low\n" in app.log.read_text()
    assert _lines(file) == ["0xBC,21.00,51.4,low"]
    assert contents(kafka, dead) == []


def test_one_record_is_one_row_across_kill_9_at_any_moment(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead, file = kafka.topic("broker"), kafka.topic("dead-letter", 1), fixture_folder / "ml-data.csv"
    boards, draw, total = Boards(kafka, topic), random.Random(4), 0
    file.write_text("0x1,1.00,1.0,low\n")
    small = {"CSV_SINK_BATCH": "50", "CSV_SINK_BATCH_WAIT_S": "0.02"}
    with running(csv_sink(fixture_folder, kafka, topic, dead, file, **small)) as app:
        for _ in range(6):
            boards.sensors(range(total, total + 2000))
            total += 2000
            time.sleep(draw.uniform(0.0, 0.4))
            app.kill()
            app.start()
            app.wait_until_ready()
        wait_until("all are committed", lambda: committed(kafka, wiring.CSV_GROUP, topic) == total, 60.0)
        print(f"csv_sink {app.memory_mb()} MB")
    rows = Counter(_lines(file)[1:])
    assert _lines(file)[0] == "0x1,1.00,1.0,low"
    assert rows == Counter(sensor(number).decode() for number in range(total))


def test_what_a_person_did_to_the_file_stays_and_rows_follow(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead, file = kafka.topic("broker"), kafka.topic("dead-letter", 1), fixture_folder / "ml-data.csv"
    boards = Boards(kafka, topic)
    with running(csv_sink(fixture_folder, kafka, topic, dead, file)) as app:
        boards.sensors(range(10))
        wait_until("ten rows", lambda: len(_lines(file)) == 10)
        file.write_text("id,temp,hum,class\n")
        boards.sensors(range(10, 15))
        wait_until("five more", lambda: len(_lines(file)) == 6)
        app.terminate()
        file.unlink()
        app.start()
        boards.sensors(range(15, 20))
        wait_until("five again", lambda: len(_lines(file)) == 5)
    assert sorted(_lines(file)) == sorted(sensor(number).decode() for number in range(15, 20))


def test_malformed_and_binary_lines_are_dead_letters_and_stop_nothing(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead, file = kafka.topic("broker"), kafka.topic("dead-letter", 1), fixture_folder / "ml-data.csv"
    boards = Boards(kafka, topic)
    with running(csv_sink(fixture_folder, kafka, topic, dead, file)) as app:
        boards.sensors(range(50))
        boards.publish(("iotkit/sensor", payload) for payload in POISON)
        boards.sensors(range(50, 100))
        wait_until("all are read", lambda: app.metric("csv_sink_records_read_total") == 100 + len(POISON))
        assert app.metric("csv_sink_dead_lettered_total") == len(POISON)
    assert len(_lines(file)) == 100
    letters = contents(kafka, dead)
    assert sorted(value for _, value, _ in letters) == sorted(POISON)
    assert all(headers["reason"] and headers["source"].startswith(f"csv_sink {topic}/") for _, _, headers in letters)


def test_a_topic_made_anew_begins_anew_though_the_journal_knows_its_name(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead, file = kafka.topic("broker", 1), kafka.topic("dead-letter", 1), fixture_folder / "ml-data.csv"
    app = csv_sink(fixture_folder, kafka, topic, dead, file)
    with running(app):
        Boards(kafka, topic).sensors(range(30))
        wait_until("thirty rows", lambda: len(_lines(file)) == 30)
        wait_until("they are committed", lambda: committed(kafka, wiring.CSV_GROUP, topic, 1) == 30)
        app.terminate()
        kafka.anew(topic, 1)
        Boards(kafka, topic).sensors(range(100, 140))
        app.start()
        wait_until("forty more", lambda: len(_lines(file)) == 70, 60.0)


def test_a_removed_journal_doubles_no_row_of_a_partition_that_stays_quiet(kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead, file = kafka.topic("broker", 2), kafka.topic("dead-letter", 1), fixture_folder / "ml-data.csv"
    with running(csv_sink(fixture_folder, kafka, topic, dead, file)) as app:
        Boards(kafka, topic).sensors(range(100))
        wait_until("all are committed", lambda: committed(kafka, wiring.CSV_GROUP, topic, 2) == 100)
        app.terminate()
        file.with_name(f"{file.name}.journal").unlink()
        for _ in range(3):
            app.start()
            Boards(kafka, topic).sensors([100])  # of one board, so of one partition
            wait_until("its row is there", lambda: _lines(file)[-1] == sensor(100).decode())
            Boards(kafka, topic).sensors([110])
            wait_until("it is the last", lambda: _lines(file)[-1] == sensor(110).decode())
            app.terminate()
    assert Counter(_lines(file)) == Counter(sensor(number).decode() for number in [*range(100), *[100, 110] * 3])
