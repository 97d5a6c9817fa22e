"""The loop: read a batch, append its rows, save what is bad, commit."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from confluent_kafka import Consumer, TopicPartition
from runtime.consuming import MALFORMED, ConsumerMetrics, tell
from runtime.dead_letters import DeadLetters
from runtime.lane import Lane
from runtime.reader import Reader, Source
from runtime.status import Heartbeat
from telemetry.errors import PayloadError
from telemetry.record import BadRecord, Record, next_offsets

from csv_sink import canary
from csv_sink.places import journaled, placed
from csv_sink.rows import kind_of, row
from csv_sink.settings import CsvSinkSettings
from csv_sink.table import Table


class CsvSink:
    """Appends rows until told to stop."""

    def __init__(self, settings: CsvSinkSettings, metrics: ConsumerMetrics, heartbeat: Heartbeat) -> None:
        """Nothing connects before `run`."""
        self._settings = settings
        self._metrics = metrics
        self._table = Table(settings.file)
        self._dead_letters = DeadLetters(settings.brokerlist, settings.dead_letter_topic, "csv_sink")
        source = Source(settings.brokerlist, settings.group, (settings.topic,))
        self._reader = Reader(source, heartbeat, metrics, place=self._place)
        self._lane = Lane(settings, "csv_sink", self._canary)

    def run(self, stop: threading.Event) -> None:
        """Read, append, commit until `stop`."""
        try:
            if self._reader.insist(self._open, stop) is None:
                return
            while not stop.is_set():
                records = self._fresh(self._reader.read(self._settings.batch, self._settings.batch_wait_s))
                if records and self._store(records, stop):
                    self._reader.commit(records)
                self._lane.serve(self._reader.why)
        finally:
            self._lane.close()
            self._reader.close()
            self._table.close()

    def _open(self) -> bool:
        self._table.open()
        return True

    def _journaled(self, partition: int) -> str:
        return journaled(self._reader.topic_ids[self._settings.topic], partition)

    def _place(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return placed(self._table, self._reader.topic_ids[self._settings.topic], consumer, partitions)

    def _fresh(self, records: Sequence[Record]) -> list[Record]:
        """Without what is in the file already: partitions may be assigned anew while a batch waits for the volume."""
        return [record for record in records if record.offset >= (self._table.next_of(self._journaled(record.partition)) or 0)]

    def _store(self, records: Sequence[Record], stop: threading.Event) -> bool:
        """Append `records`, however long it takes; False if told to stop before it succeeded."""
        rows: list[str] = []
        bad: list[BadRecord] = []
        skipped: Counter[str] = Counter()
        for record in records:
            tell(record)
            try:
                if (kind := kind_of(record)) == "sensor":
                    rows.append(row(record))
                else:
                    skipped[kind] += 1
            except PayloadError as broken:
                bad.append(BadRecord(record, str(broken)))
        offsets = {self._journaled(partition): offset for (_, partition), offset in next_offsets(records).items()}

        def append() -> bool:
            self._table.append(rows, offsets)
            return True

        # one after the other: while the volume is full, what is buried must not be buried again at every try
        buried = self._reader.insist(lambda: self._dead_letters.save(bad), stop)
        if buried is None or self._reader.insist(append, stop) is None:
            return False
        skipped[MALFORMED] += len(bad) - buried
        self._metrics.read.inc(len(records))
        self._metrics.used.inc(len(rows))
        self._metrics.dead_lettered.inc(buried)
        for kind, count in skipped.items():
            self._metrics.skipped.labels(kind).inc(count)
        return True

    def _canary(self, record: Record) -> bool:
        file = self._settings.canary_file
        return file is not None and canary.keep(file, record)

    def ready(self) -> str | None:
        """None when partitions are assigned and nothing waits. Called from the status thread."""
        return self._reader.why
