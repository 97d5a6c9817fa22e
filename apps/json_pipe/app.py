"""The loop: read a batch, make documents, commit documents and offsets together."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException, TopicPartition
from runtime.consuming import MALFORMED, ConsumerMetrics, tell
from runtime.dead_letters import dead_letter
from runtime.errors import UnavailableError
from runtime.publisher import Outgoing
from runtime.reader import Reader, Source
from runtime.status import Heartbeat
from telemetry.errors import PayloadError
from telemetry.record import BadRecord, Record, next_offsets

from json_pipe.documents import document
from json_pipe.settings import JsonPipeSettings
from json_pipe.transactions import AbortedError, Transactions

log = logging.getLogger(__name__)

MOST_ABORTED = 3  # in a row; what is wrong for longer is left to the kubelet, which waits longer and longer


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a batch of records becomes."""

    outgoing: list[Outgoing]
    skipped: Counter[str]


class JsonPipe:
    """Makes documents until told to stop."""

    def __init__(self, settings: JsonPipeSettings, metrics: ConsumerMetrics, heartbeat: Heartbeat) -> None:
        """Nothing connects before `run`."""
        self._settings = settings
        self._metrics = metrics
        self._heartbeat = heartbeat
        source = Source(settings.brokerlist, settings.group, (settings.topic,))
        self._reader = Reader(source, heartbeat, metrics)
        self._aborted = 0  # transactions in a row
        self._transactions = Transactions(settings.brokerlist, f"{settings.group}-{settings.instance}")

    def run(self, stop: threading.Event) -> int:
        """Read and commit until `stop`; returns the exit code.

        A transaction that Kafka lets be aborted is done again. Any other failure ends the process as kill -9 would: the next
        one fences what this one left behind and reads from the group's offsets. Going on in place is then what librdkafka 2.16
        does badly: after a broker was killed it may wait for ever to send offsets, and the group's offsets stay unstable
        (seen 2026-11).
        """
        try:
            if self._reader.insist(self._transactions.open, stop) is None:
                return 0
            while not stop.is_set():
                records = self._reader.read(self._settings.batch, self._settings.batch_wait_s)
                if records and not self._store(records):
                    self._until_kafka_answers(stop)
                    return 1
            return 0
        finally:
            if stop.is_set():
                self._reader.close()

    def _batch(self, records: Sequence[Record]) -> _Batch:
        skipped: Counter[str] = Counter()
        outgoing = []
        for record in records:
            try:
                made = document(record)
            except PayloadError as broken:
                if graves := self._settings.dead_letter_topic:
                    outgoing.append(dead_letter(graves, "json_pipe", BadRecord(record, str(broken))))
                skipped[MALFORMED] += not graves
                continue
            if made is None:
                skipped["other"] += 1
            else:
                outgoing.append(Outgoing(self._settings.output_topic, *made, headers=record.headers))
        return _Batch(outgoing, skipped)

    def _store(self, records: Sequence[Record]) -> bool:
        """Commit what `records` become, or have them read again; False if it is not known whether Kafka has them."""
        for record in records:
            tell(record)
        batch = self._batch(records)
        offsets = [TopicPartition(topic, place, offset) for (topic, place), offset in next_offsets(records).items()]
        try:
            self._transactions.commit(batch.outgoing, offsets, self._reader.consumer)
        except UnavailableError as failed:
            log.warning("%s", failed)
            self._metrics.waits.inc()
            self._aborted += 1
            if not isinstance(failed, AbortedError) or self._aborted > MOST_ABORTED:
                return False
            self._reader.again()
            return True
        self._aborted = 0
        self._metrics.read.inc(len(records))
        used = sum(each.topic == self._settings.output_topic for each in batch.outgoing)
        self._metrics.used.inc(used)
        self._metrics.dead_lettered.inc(len(batch.outgoing) - used)
        for kind, count in batch.skipped.items():
            self._metrics.skipped.labels(kind).inc(count)
        return True

    def _until_kafka_answers(self, stop: threading.Event) -> None:
        """So that an outage costs one restart and not a row of them, each waited for longer."""
        while not stop.is_set():
            self._heartbeat.beat()
            try:
                self._reader.consumer.list_topics(timeout=2.0)
            except KafkaException:
                stop.wait(1.0)
                continue
            return

    def ready(self) -> str | None:
        """None when partitions are assigned and nothing waits. Called from the status thread."""
        return self._reader.why
