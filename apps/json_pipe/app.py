"""The loop: read a batch, make documents, commit documents and offsets together."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException, TopicPartition
from runtime.consuming import ConsumerMetrics, tell
from runtime.dead_letters import dead_letter
from runtime.errors import UnavailableError
from runtime.publisher import Outgoing
from runtime.reader import Reader, Source
from runtime.status import Heartbeat
from telemetry.errors import PayloadError
from telemetry.record import BadRecord, Record, next_offsets

from json_pipe.documents import document
from json_pipe.settings import JsonPipeSettings
from json_pipe.transactions import Transactions

ASK_S = 10.0


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a batch of records becomes."""

    outgoing: list[Outgoing]
    skipped: int
    dead: int


class JsonPipe:
    """Makes documents until told to stop."""

    def __init__(self, settings: JsonPipeSettings, metrics: ConsumerMetrics, heartbeat: Heartbeat) -> None:
        """Nothing connects before `run`."""
        self._settings = settings
        self._metrics = metrics
        source = Source(settings.brokerlist, settings.group, (settings.topic,))
        self._reader = Reader(source, heartbeat, metrics.waits)
        self._transactions = Transactions(settings.brokerlist, f"{settings.group}-{settings.instance}")

    def run(self, stop: threading.Event) -> None:
        """Read and commit until `stop`."""
        try:
            if self._reader.insist(self._transactions.open, stop) is None:
                return
            while not stop.is_set():
                records = self._reader.read(self._settings.batch, self._settings.batch_wait_s)
                if records:
                    self._store(records, stop)
        finally:
            self._reader.close()

    def _batch(self, records: Sequence[Record]) -> _Batch:
        found: Counter[str] = Counter()
        outgoing = []
        for record in records:
            try:
                made = document(record)
            except PayloadError as broken:
                outgoing.append(dead_letter(self._settings.dead_letter_topic, "json_pipe", BadRecord(record, str(broken))))
                found["dead"] += 1
                continue
            if made is None:
                found["skipped"] += 1
            else:
                outgoing.append(Outgoing(self._settings.output_topic, *made, headers=record.headers))
        return _Batch(outgoing, found["skipped"], found["dead"])

    def _store(self, records: Sequence[Record], stop: threading.Event) -> None:
        """Commit what `records` become, however long it takes, unless told to stop or they come again anyway."""
        assignments = self._reader.assignments
        left = list(records)
        tries = 0

        def store() -> _Batch | None:
            nonlocal left, tries
            if self._reader.assignments != assignments:  # who has these partitions now reads them from the group's offsets
                return _Batch([], 0, 0)
            if tries:
                left = self._uncommitted(left)
            tries += 1
            batch = self._batch(left)
            if left:
                offsets = [TopicPartition(topic, place, offset) for (topic, place), offset in next_offsets(left).items()]
                self._transactions.commit(batch.outgoing, offsets, self._reader.consumer)
            return batch

        for record in records:
            tell(record)
        done = self._reader.insist(store, stop)
        if done is None:
            return
        self._metrics.read.inc(len(records))
        self._metrics.used.inc(len(done.outgoing) - done.dead)
        self._metrics.dead_lettered.inc(done.dead)
        self._metrics.skipped.labels("other").inc(done.skipped)

    def _uncommitted(self, records: Sequence[Record]) -> list[Record]:
        """Without what an earlier try has brought to Kafka: its answer may have been lost, not its transaction."""
        places = [TopicPartition(topic, partition) for topic, partition in next_offsets(records)]
        try:
            told = self._reader.consumer.committed(places, timeout=ASK_S)
        except KafkaException as failed:
            raise UnavailableError(f"Kafka does not tell the group's offsets: {failed}") from failed
        behind = {place.partition: max(0, place.offset) for place in told}
        return [record for record in records if record.offset >= behind[record.partition]]

    def ready(self) -> str | None:
        """None when partitions are assigned and nothing waits. Called from the status thread."""
        return self._reader.why
