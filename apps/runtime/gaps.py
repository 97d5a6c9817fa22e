"""Records that Kafka deleted before they were read: its retention is by bytes, and who is away for long finds later ones only.

The client begins at the first record there is and says nothing. So offsets are followed: where one is skipped, Kafka is asked
whether it still has what lies between. A gap of a transaction's marks is no loss.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition
from prometheus_client import Counter
from telemetry.record import Record

log = logging.getLogger(__name__)

ASK_S = 5.0


class Gaps:
    """Which offset comes next in each partition that is read."""

    def __init__(self, consumer: Consumer, missed: Counter) -> None:
        """`missed` counts the records."""
        self._consumer = consumer
        self._missed = missed
        self._next: dict[tuple[str, int], int] = {}

    def begin(self, places: Iterable[TopicPartition]) -> None:
        """Reading begins here; where no offset is given, at whatever there is."""
        self._next = {(each.topic, each.partition): each.offset for each in places if each.offset >= 0}

    def follow(self, records: Iterable[Record]) -> None:
        """These were read."""
        for record in records:
            place = record.topic, record.partition
            expected = self._next.get(place, record.offset)
            if record.offset > expected:
                self._look(record, expected)
            self._next[place] = record.offset + 1

    def _look(self, record: Record, expected: int) -> None:
        try:
            marks = self._consumer.get_watermark_offsets(TopicPartition(record.topic, record.partition), timeout=ASK_S)
        except KafkaException:
            marks = None
        lowest = record.offset if marks is None else min(marks[0], record.offset)  # what can't be asked for counts as gone
        if lowest > expected:
            self._missed.inc(lowest - expected)
            log.error(
                "%d records of %s/%d were deleted before they were read; give Kafka a larger volume, or be away for less long",
                *(lowest - expected, record.topic, record.partition),
            )
