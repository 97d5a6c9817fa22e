"""The canary's Kafka side: watch topics from their ends for some records, and count topics. No group, no commit: no trace."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from runtime.reader import record_of
from telemetry.record import REASON, header

Identity = tuple[str, bytes]  # a record's key and value


class WatchError(Exception):
    """Kafka cannot be asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a record came (monotonic), and the reason in its header if there is one."""

    at_s: float
    reason: str = ""


Arrivals = Mapping[Identity, Arrival]


class KafkaWatch:
    """Everything that comes to some topics from now on."""

    def __init__(self, brokerlist: str, topics: Sequence[str], group: str) -> None:
        """`group` is a name only; nothing joins it."""
        self._topics = topics
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokerlist,
                "group.id": group,
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
                "log_level": 2,
            }
        )

    def start(self, timeout_s: float) -> None:
        """Find the topics' ends.

        Raises:
            WatchError: no answer, or no such topic.
        """
        try:
            self._consumer.assign([place for topic in self._topics for place in self._ends(topic, timeout_s)])
        except KafkaException as failed:
            raise WatchError(failed.args[0].str()) from failed

    def _ends(self, topic: str, timeout_s: float) -> list[TopicPartition]:
        known = self._consumer.list_topics(topic, timeout=timeout_s).topics[topic]
        if known.error is not None or not known.partitions:
            raise WatchError(f"there is no topic {topic}")
        places = [TopicPartition(topic, number) for number in known.partitions]
        for place in places:
            _low, place.offset = self._consumer.get_watermark_offsets(place, timeout=timeout_s) or (0, 0)
        return places

    def wait_for(self, payload: bytes, timeout_s: float) -> float | None:
        """When `payload` came (monotonic), or None if it did not come in time."""
        until_s = time.monotonic() + timeout_s
        while (left_s := until_s - time.monotonic()) > 0:
            message = self._consumer.poll(min(left_s, 0.2))
            if message is not None and message.error() is None and message.value() == payload:
                return time.monotonic()
        return None

    def gather(self, wanted: Collection[Identity], timeout_s: float) -> dict[Identity, Arrival]:
        """Those of `wanted` that came in time."""
        until_s = time.monotonic() + timeout_s
        found: dict[Identity, Arrival] = {}
        while len(found) < len(wanted) and (left_s := until_s - time.monotonic()) > 0:
            message = self._consumer.poll(min(left_s, 0.2))
            if message is None or message.error() is not None:
                continue
            record = record_of(message)
            if (identity := (record.key, record.value)) in wanted:
                found.setdefault(identity, Arrival(time.monotonic(), header(record.headers, REASON)))
        return found

    def next(self) -> tuple[Identity, float] | None:
        """The next record and when it was seen (monotonic), or None if none came for a moment."""
        message = self._consumer.poll(0.1)
        if message is None or message.error() is not None:
            return None
        record = record_of(message)
        return (record.key, record.value), time.monotonic()

    def close(self) -> None:
        """Stop watching."""
        self._consumer.close()


def lacking(wanted: Mapping[str, int], found: Mapping[str, int]) -> str | None:
    """None if every wanted topic is found with at least its partitions, else which is not and the next command."""
    missing = [name for name in wanted if not found.get(name)]
    narrow = [
        f"{name} has {found[name]} of {wanted[name]} partitions" for name in wanted if 0 < found.get(name, 0) < wanted[name]
    ]
    told = [f"kafka has no topic {', '.join(missing)}"] if missing else []
    return f"{'; '.join([*told, *narrow])}; run ./lab up" if missing or narrow else None


def topics_lacking(brokerlist: str, wanted: Mapping[str, int], timeout_s: float) -> str | None:
    """Ask Kafka for its topics and compare them with the wanted ones."""
    try:
        known = AdminClient({"bootstrap.servers": brokerlist, "log_level": 2}).list_topics(timeout=timeout_s).topics
    except KafkaException as failed:
        return f"kafka cannot be asked: {failed.args[0].str()}; run ./lab logs kafka"
    return lacking(wanted, {name: len(topic.partitions) for name, topic in known.items()})
