"""The reader that every consumer shares, at a real Kafka."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from prometheus_client import CollectorRegistry
from runtime.consuming import ConsumerMetrics
from runtime.errors import UnavailableError
from runtime.reader import Place, Reader, Source
from runtime.status import Heartbeat
from runtime.topics import Topics

from tests.support.brokers import Kafka
from tests.support.processes import wait_until
from tests.support.readings import Boards


def _reader(kafka: Kafka, topic: str, place: Place | None = None, metrics: ConsumerMetrics | None = None) -> Reader:
    metrics = metrics or ConsumerMetrics("test", CollectorRegistry())
    source = Source(kafka.address, f"reader-{topic}", (topic,))
    return Reader(source, Heartbeat(), metrics, place=place)


def _offsets(reader: Reader, found: list[int]) -> Callable[[], list[int]]:
    def read() -> list[int]:
        found.extend(record.offset for record in reader.read(100, 0.1))
        return found

    return read


@pytest.mark.parametrize(
    "failure",
    [KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT)), UnavailableError("Kafka does not tell")],
    ids=["client", "ours"],
)
def test_where_reading_begins_is_asked_until_it_is_known_and_nothing_is_read_before(kafka: Kafka, failure: Exception) -> None:
    topic, tries = kafka.topic("broker", 1), []

    def place(_consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        tries.append(reader.why)
        if len(tries) < 3:
            raise failure
        return [TopicPartition(each.topic, each.partition, 7) for each in partitions]

    Boards(kafka, topic).sensors(range(10))
    reader = _reader(kafka, topic, place)
    read = _offsets(reader, [])
    try:
        wait_until("it is placed and reads", lambda: bool(read()))
        assert read() == [7, 8, 9]
    finally:
        reader.close()
    assert len(tries) == 3
    assert all(why for why in tries)


def test_what_was_read_and_not_committed_comes_again_and_in_order(kafka: Kafka) -> None:
    topic = kafka.topic("broker", 1)
    Boards(kafka, topic).sensors(range(10))
    reader = _reader(kafka, topic)
    read = _offsets(reader, [])
    try:
        wait_until("ten are read", lambda: len(read()) == 10)
        reader.commit_places([TopicPartition(topic, 0, 4)])
        reader.again()
        wait_until("six come again", lambda: len(read()) == 16)
        assert read() == [*range(10), *range(4, 10)]
    finally:
        reader.close()


def test_a_batch_in_hand_waits_while_kafka_is_away_and_then_is_handed_out_once(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka.topic("broker", 1)
    boards, reader = Boards(kafka, topic), _reader(kafka, topic)
    read, look, away = _offsets(reader, []), Topics.look, list[int]()

    def away_with_a_batch_in_hand(topics: Topics) -> set[str]:
        at = reader.consumer.position([TopicPartition(topic, 0)])[0].offset
        if at > 10 and len(away) < 2:
            away.append(at)
            raise UnavailableError("Kafka is away")
        return look(topics)

    try:
        boards.sensors(range(10))
        wait_until("ten are read", lambda: len(read()) == 10)
        monkeypatch.setattr(Topics, "look", away_with_a_batch_in_hand)
        boards.sensors(range(10, 20))
        wait_until("a batch was in hand, and waits", lambda: bool(read() and away))
        assert read() == [*range(10)]
        assert reader.why == "Kafka is away"
        wait_until("the rest", lambda: len(read()) == 20)
        boards.sensors(range(20, 25))
        wait_until("five more", lambda: len(read()) == 25)
        assert read() == [*range(25)]
        assert reader.why is None
    finally:
        reader.close()


def test_a_kafka_that_is_killed_and_comes_back_costs_no_record_and_doubles_none(kafka: Kafka) -> None:
    topic = kafka.topic("broker", 1)
    boards, reader = Boards(kafka, topic), _reader(kafka, topic)
    read = _offsets(reader, [])
    try:
        boards.sensors(range(10))
        wait_until("ten are read", lambda: len(read()) == 10)
        # a Kafka that needs 10 s to come back shares the group out anew, and reading begins at what is committed
        assert reader.commit_places([TopicPartition(topic, 0, 10)])
        kafka.kill()
        assert read() == [*range(10)]
        kafka.start()
        boards.sensors(range(10, 20))
        wait_until("the rest", lambda: len(read()) == 20, 60.0)
        assert read() == [*range(20)]
        assert reader.why is None
    finally:
        reader.close()


def test_partitions_that_change_hands_while_a_batch_waits_are_read_on(kafka: Kafka) -> None:
    topic = kafka.topic("broker", 1)
    boards, reader, other = Boards(kafka, topic), _reader(kafka, topic), _reader(kafka, topic)
    read = _offsets(reader, [])

    def refused_until_the_group_is_shared_out_anew() -> bool:
        other.read(1, 0.1)
        if reader.consumer.assignment():
            raise UnavailableError("the effect's server is away")
        return True

    try:
        boards.sensors(range(10))
        wait_until("ten are read", lambda: len(read()) == 10)
        reader.commit_places([TopicPartition(topic, 0, 10)])
        assert reader.insist(refused_until_the_group_is_shared_out_anew, threading.Event())
        other.close()
        boards.sensors(range(10, 20))
        wait_until("the rest", lambda: len(read()) == 20)
        assert read() == [*range(20)]
    finally:
        reader.close()


def _deleted(kafka: Kafka, topic: str, before: int) -> None:
    """As Kafka's retention does it."""
    kafka.admin.delete_records([TopicPartition(topic, 0, before)])[TopicPartition(topic, 0)].result(20.0)


def test_what_kafka_deleted_before_it_was_read_is_counted(kafka: Kafka) -> None:
    topic, registry = kafka.topic("broker", 1), CollectorRegistry()
    boards, metrics = Boards(kafka, topic), ConsumerMetrics("test", registry)
    boards.sensors(range(10))
    _deleted(kafka, topic, 3)
    reader = _reader(kafka, topic, metrics=metrics)
    read = _offsets(reader, [])
    try:
        wait_until("the rest are read", lambda: len(read()) == 7)
        assert registry.get_sample_value("test_records_missed_total") == 0, "a new group begins with what there is"
        reader.commit_places([TopicPartition(topic, 0, 5)])
        reader.consumer.pause([TopicPartition(topic, 0)])  # as while its effect is away
        boards.sensors(range(10, 20))
        _deleted(kafka, topic, 14)
        reader.consumer.resume([TopicPartition(topic, 0)])
        wait_until("it goes on behind the gap", lambda: read()[-1] == 19)
        assert registry.get_sample_value("test_records_missed_total") == 4
        _deleted(kafka, topic, 20)
        reader.again()
        read()
        boards.sensors(range(20, 22))
        wait_until("it begins behind the gap", lambda: read()[-1] == 21)
        assert registry.get_sample_value("test_records_missed_total") == 4 + 15, "from the group's offset on"
    finally:
        reader.close()
