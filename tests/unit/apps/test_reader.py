from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import TopicPartition
from prometheus_client import CollectorRegistry
from runtime import reader
from runtime.consuming import ConsumerMetrics
from runtime.reader import Reader, Source
from runtime.status import Heartbeat


class Client:
    """Stands for the client and for Kafka: gives partitions, and tells which ids the topics have."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ids, self.commits, self._own = {"b": "old", "c": "c"}, list[tuple[str, int]](), list[TopicPartition]()
        self._told: dict[str, str] = {}
        self._call: dict[str, Any] = {}
        monkeypatch.setattr(reader, "_consumer", lambda _: self)
        monkeypatch.setattr(reader, "Topics", lambda *_: self)
        monkeypatch.setattr(reader, "LOOK_EVERY_S", -1.0)

    def look(self) -> set[str]:
        anew = {name for name, known in self._told.items() if self.ids[name] != known}
        self._told = dict(self.ids)
        return anew

    def subscribe(self, _names: list[str], **call: Any) -> None:
        self._call = call

    def give(self, *topics: str) -> None:
        self._call["on_revoke"](self, self._own)
        self._call["on_assign"](self, [TopicPartition(name, 0) for name in topics])

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._own = partitions

    def resume(self, partitions: list[TopicPartition]) -> None:
        assert partitions == self._own

    def committed(self, partitions: list[TopicPartition], **_more: float) -> list[TopicPartition]:
        return partitions

    def assignment(self) -> list[TopicPartition]:
        return self._own

    def consume(self, _most: int, _wait_s: float) -> list[Any]:
        return []

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        assert not asynchronous
        self.commits += [(place.topic, place.offset) for place in offsets]
        return offsets


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    return Client(monkeypatch)


@pytest.fixture
def one(client: Client) -> Reader:
    metrics = ConsumerMetrics("test", CollectorRegistry())
    found = Reader(Source("nowhere:1", "g", ("b", "c")), Heartbeat(), metrics)
    found.read(1, 0.0)
    assert client.commits == []
    return found


def test_who_reads_a_topic_that_is_made_anew_commits_its_beginning_once(client: Client, one: Reader) -> None:
    client.give("b")
    one.read(1, 0.0)
    client.ids["b"] = "new"
    for _ in range(3):
        one.read(1, 0.0)
    client.give("b")
    one.read(1, 0.0)
    assert client.commits == [("b", 0)]


@pytest.mark.parametrize("has", [(), ("c",)], ids=["nothing", "another topic"])
def test_who_has_no_partition_of_a_topic_made_anew_leaves_others_offsets_alone(
    client: Client, one: Reader, has: tuple[str, ...]
) -> None:
    client.give(*has)
    one.read(1, 0.0)
    client.ids["b"] = "new"
    one.read(1, 0.0)
    client.give("b", "c")
    one.read(1, 0.0)
    assert client.commits == []


def test_a_late_commit_that_may_have_reached_the_new_topic_is_made_good(client: Client, one: Reader) -> None:
    client.give("b")
    one.read(1, 0.0)
    client.give()  # the old topic is gone, the new one not found yet
    client.ids["b"] = "new"
    one.commit_places([TopicPartition("b", 0, 7)])
    one.read(1, 0.0)
    client.give("b")
    one.read(1, 0.0)
    assert client.commits == [("b", 7), ("b", 0)]


def test_who_loses_a_topic_made_anew_before_it_could_commit_its_beginning_leaves_it_to_others(
    client: Client, one: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.give("b", "c")
    one.read(1, 0.0)
    client.ids["b"] = "new"
    with monkeypatch.context() as away:
        away.setattr(one, "commit_places", lambda _: False)
        one.read(1, 0.0)
    client.give("c")
    one.read(1, 0.0)
    client.give("b", "c")
    one.read(1, 0.0)
    assert client.commits == []
