"""json_pipe between two topics of a real Kafka: one reading is one document, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from json_pipe.transactions import AbortedError, Transactions
from runtime.publisher import Outgoing

from infra import wiring
from tests.support.apps import App, json_pipe, running
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


def _found(kafka: Kafka, topic: str) -> Counter[str]:
    return Counter(json.dumps(document) for _, document in _documents(kafka, topic))


def _wanted(total: int) -> Counter[str]:
    wanted: Counter[str] = Counter()
    for number in range(total):
        cells = sensor(number).decode().split(",")
        humtemp = {"temp": float(cells[1]), "hum": float(cells[2])}
        wanted[json.dumps({"humtemp": humtemp, "device": f"board-{number % 10}", "edge": "bridge-0"})] += 1
    return wanted


def _has_read(app: App, records: int) -> bool:
    return app.metric("json_pipe_records_read_total") >= records


def _kill_at_the_next(app: App, kafka: Kafka, topic: str, isolation: str) -> None:
    """Kill it the moment the topic grows: by documents written, or by documents committed."""
    watcher = Consumer({"bootstrap.servers": kafka.address, "group.id": "watcher", "isolation.level": isolation})
    place = TopicPartition(topic, 0)
    try:
        _, before = watcher.get_watermark_offsets(place, timeout=10.0) or (0, 0)
        wait_until("it grows", lambda: (watcher.get_watermark_offsets(place, timeout=10.0) or (0, 0))[1] > before, 60.0, 0.0)
        app.kill()
    finally:
        watcher.close()


def test_one_reading_is_one_document_wherever_in_its_transaction_it_is_killed(kafka: Kafka, fixture_folder: Path) -> None:
    topic, output, dead = kafka.topic("broker"), kafka.topic("pipe", 1), kafka.topic("dead-letter", 1)
    boards, total = Boards(kafka, topic), 0
    small = {"JSON_PIPE_BATCH": "20", "JSON_PIPE_BATCH_WAIT_S": "0.02"}
    with running(json_pipe(fixture_folder, kafka, topic, output, dead, **small)) as app:
        for isolation in ("read_uncommitted", "read_committed") * 3:
            boards.sensors(range(total, total + 1000))
            total += 1000
            _kill_at_the_next(app, kafka, output, isolation)
            app.start()
        wait_until("all are committed", lambda: committed(kafka, wiring.PIPE_GROUP, topic) == total, 60.0)
        print(f"json_pipe {app.memory_mb()} MB")
    assert _found(kafka, output) == _wanted(total)


def _ended_or_done(app: App, kafka: Kafka, topic: str, total: int) -> bool:
    return not app.alive or committed(kafka, wiring.PIPE_GROUP, topic) == total


def test_a_kafka_that_is_killed_and_comes_back_has_each_document_once(kafka: Kafka, fixture_folder: Path) -> None:
    topic, output, dead = kafka.topic("broker"), kafka.topic("pipe", 1), kafka.topic("dead-letter", 1)
    boards, total = Boards(kafka, topic), 0
    with running(json_pipe(fixture_folder, kafka, topic, output, dead, JSON_PIPE_BATCH="20")) as app:
        for away_s in (0.0, 15.0):
            boards.sensors(range(total, total + 1000))
            total += 1000
            wait_until("it is at work", partial(_has_read, app, 100), 90.0)
            kafka.kill()
            time.sleep(away_s)
            kafka.start()
            over = partial(_ended_or_done, app, kafka, topic, total)
            wait_until("the process ends itself, or was done before Kafka died", over, 90.0)
            if not app.alive:
                app.start()  # as the kubelet does
        boards.sensors(range(total, total + 100))
        total += 100
        wait_until("all are committed", lambda: committed(kafka, wiring.PIPE_GROUP, topic) == total, 120.0)
        app.wait_until_ready()
    assert _found(kafka, output) == _wanted(total)


def test_a_pause_that_costs_it_its_membership_amid_a_transaction_doubles_nothing(kafka: Kafka, fixture_folder: Path) -> None:
    topic, output, dead = kafka.topic("broker"), kafka.topic("pipe", 1), kafka.topic("dead-letter", 1)
    small = {"JSON_PIPE_BATCH": "20", "JSON_PIPE_BATCH_WAIT_S": "0.02"}
    with running(json_pipe(fixture_folder, kafka, topic, output, dead, **small)) as app:
        Boards(kafka, topic).sensors(range(2000))
        wait_until("it is at work", partial(_has_read, app, 100))
        os.kill(app.pid, signal.SIGSTOP)
        time.sleep(12.0)  # the group puts it out after 10 s; its transaction would be ended by Kafka after 15
        os.kill(app.pid, signal.SIGCONT)
        wait_until("it ended, or all is done", partial(_ended_or_done, app, kafka, topic, 2000), 90.0)
        if not app.alive:  # one time of five: librdkafka 2.16 fails to abort what Kafka was not told of yet
            app.start()
        wait_until("all are committed", lambda: committed(kafka, wiring.PIPE_GROUP, topic) == 2000, 60.0)
    assert _found(kafka, output) == _wanted(2000)


def _member(kafka: Kafka, topic: str) -> Consumer:
    """A reader that the next one of the same name puts out of the group."""
    group = {"group.id": f"fenced-{topic}", "group.instance.id": "one", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": kafka.address, "log_level": 0, "auto.offset.reset": "earliest", **group})
    consumer.subscribe([topic])
    wait_until("it has joined", lambda: consumer.poll(0.1) is not None)
    return consumer


def test_a_transaction_of_a_reader_that_was_put_out_is_aborted_and_the_producer_goes_on(kafka: Kafka) -> None:
    topic, output = kafka.topic("broker", 1), kafka.topic("pipe", 1)
    Boards(kafka, topic).sensors(range(3))
    transactions, offsets = Transactions(kafka.address, f"fenced-{topic}"), [TopicPartition(topic, 0, 3)]
    transactions.open()
    first = _member(kafka, topic)
    second = _member(kafka, topic)
    try:
        with pytest.raises(AbortedError):
            transactions.commit([Outgoing(output, "a", b"first", [])], offsets, first)
        transactions.commit([Outgoing(output, "a", b"second", [])], offsets, second)
        assert second.committed(offsets, timeout=10.0)[0].offset == 3
    finally:
        second.close()
        first.close()
    assert [value for _, value, _ in contents(kafka, output)] == [b"second"]
