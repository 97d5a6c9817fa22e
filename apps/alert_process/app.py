"""The loop: read a batch, remember readings, start processes, save what is bad, commit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from functools import partial

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition
from runtime.camunda import Camunda, RefusedError
from runtime.consuming import ConsumerMetrics, tell
from runtime.dead_letters import DeadLetters
from runtime.lane import Lane
from runtime.reader import Reader, Source
from runtime.settings import read_password
from runtime.status import Heartbeat
from telemetry.errors import PayloadError
from telemetry.record import BadRecord, Record

from alert_process.canary import CanaryProcess
from alert_process.incidents import Readings, incident, is_alert, reading
from alert_process.settings import AlertProcessSettings
from alert_process.starter import Starter

log = logging.getLogger(__name__)

ASK_S = 10.0


class AlertProcess:
    """Starts processes until told to stop."""

    def __init__(self, settings: AlertProcessSettings, metrics: ConsumerMetrics, heartbeat: Heartbeat) -> None:
        """Nothing connects before `run`."""
        self._settings = settings
        self._metrics = metrics
        password = read_password(settings.camunda_password_file)
        camunda = Camunda(settings.camunda_url, settings.camunda_user, password)
        self._starter = Starter(camunda, settings.process)
        self._canaries = CanaryProcess(camunda, settings.canary_process, settings.window_s)
        self._lane = Lane(settings, "alert_process", self._canaries.start)
        self._readings = Readings(settings.kept_readings)
        self._dead_letters = DeadLetters(settings.brokerlist, settings.dead_letter_topic, "alert_process")
        source = Source(settings.brokerlist, settings.group, (settings.topic,))
        self._reader = Reader(source, heartbeat, metrics.waits, place=self._place)
        self._effects_from: dict[int, int] = {}  # by partition; what lies before is read for the readings alone
        self._begins: list[TopicPartition] = []  # of a new group; committed, so that a later start doesn't take it for new
        self._remembered: dict[int, int] = {}  # by partition: the last offset whose reading is remembered

    def run(self, stop: threading.Event) -> None:
        """Read, start, commit until `stop`."""
        try:
            while not stop.is_set():
                records = self._reader.read(self._settings.batch, self._settings.batch_wait_s)
                self._commit_begins()
                new = [record for record in records if record.offset >= self._effects_from.get(record.partition, 0)]
                for record in records:
                    self._remember(record)
                if new and self._store(new, stop):
                    self._reader.commit(new)
                self._lane.serve(self._reader.why)
        finally:
            self._lane.close()
            self._reader.close()

    def _place(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Begin some records before the group's offset, or in a new group before its first alert."""
        try:
            first_ms = int((time.time() - self._settings.first_s) * 1000)
            for place in consumer.committed(partitions, timeout=ASK_S):
                low, high = consumer.get_watermark_offsets(place, timeout=ASK_S) or (0, 0)
                begin = place.offset
                if begin < 0:
                    asked = [TopicPartition(place.topic, place.partition, first_ms)]
                    begin = consumer.offsets_for_times(asked, timeout=ASK_S)[0].offset
                    begin = high if begin in {-1, OFFSET_END} else begin
                    self._begins.append(TopicPartition(place.topic, place.partition, begin))
                begin = min(max(begin, low), high)
                self._effects_from[place.partition] = begin
                place.offset = max(low, begin - self._settings.read_back)
                partitions = [place if (place.partition == each.partition) else each for each in partitions]
        except KafkaException as failed:
            log.warning("no readings are read back: %s", failed)
        return partitions

    def _commit_begins(self) -> None:
        if self._begins and self._reader.commit_places(self._begins):
            self._begins = []

    def _remember(self, record: Record) -> None:
        if record.offset <= self._remembered.get(record.partition, -1):
            return
        self._remembered[record.partition] = record.offset
        if (found := reading(record)) is not None:
            self._readings.add(*found)

    def _store(self, records: Sequence[Record], stop: threading.Event) -> bool:
        """Start the process of each alert, however long it takes; False if told to stop before it succeeded."""
        bad: list[BadRecord] = []
        for record in records:
            tell(record)
            self._metrics.read.inc()
            if not is_alert(record):
                self._metrics.skipped.labels("other").inc()
                continue
            done = self._reader.insist(partial(self._start, record, bad), stop)
            if done is None:
                return False
            if done:
                self._metrics.used.inc()
        if self._reader.insist(lambda: self._save(bad), stop) is None:
            return False
        self._metrics.dead_lettered.inc(len(bad))
        return True

    def _start(self, record: Record, bad: list[BadRecord]) -> bool:
        try:
            found = incident(record, self._settings.window_s)
            variables = found.variables(self._readings.last(found.device), self._settings.dashboard)
            started = self._starter.start(found.key, variables)
        except (PayloadError, RefusedError) as refused:
            bad.append(BadRecord(record, str(refused)))
            return False
        log.info("%s: %s", found.key, "a process was started" if started else "has its process already")
        return True

    def _save(self, bad: Sequence[BadRecord]) -> bool:
        self._dead_letters.save(bad)
        return True

    def ready(self) -> str | None:
        """None when partitions are assigned and nothing waits. Called from the status thread."""
        return self._reader.why
