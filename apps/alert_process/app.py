"""The loop: read a batch, remember readings, start processes, save what is bad, commit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from functools import partial

from confluent_kafka import Consumer, TopicPartition
from runtime.camunda import Camunda, RefusedError
from runtime.consuming import ConsumerMetrics, tell
from runtime.dead_letters import DeadLetters
from runtime.errors import UnavailableError
from runtime.lane import Lane
from runtime.reader import Reader, Source
from runtime.settings import read_password
from runtime.status import Heartbeat
from telemetry.errors import PayloadError
from telemetry.record import BadRecord, Record

from alert_process.begins import begins
from alert_process.canary import CanaryProcess
from alert_process.incidents import Readings, incident, is_alert, reading
from alert_process.settings import AlertProcessSettings
from alert_process.starter import Starter

log = logging.getLogger(__name__)


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
        self._reader = Reader(source, heartbeat, metrics, place=self._place)
        self._effects_from: dict[int, int] = {}  # by partition; what lies before is read for the readings alone
        self._remembered: dict[tuple[str, int], int] = {}  # by topic's id and partition: the last offset that is remembered

    def run(self, stop: threading.Event) -> None:
        """Read, start, commit until `stop`."""
        try:
            while not stop.is_set():
                records = self._reader.read(self._settings.batch, self._settings.batch_wait_s)
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
        """Begin some records before the group's offset, or in a new group before its first alert.

        Raises:
            UnavailableError, KafkaException: Kafka does not tell. From a guessed begin old alerts would start processes.
        """
        found = begins(consumer, partitions, int((time.time() - self._settings.first_s) * 1000))
        new = [TopicPartition(each.topic, each.partition, each.effects_from) for each in found if each.new]
        if new and not self._reader.commit_places(new):  # so that a later start doesn't take the group for new
            raise UnavailableError("Kafka does not take the first offsets of a new group")
        self._effects_from = {each.partition: each.effects_from for each in found}
        back = self._settings.read_back
        return [TopicPartition(each.topic, each.partition, max(each.low, each.effects_from - back)) for each in found]

    def _remember(self, record: Record) -> None:
        place = (self._reader.topic_ids[record.topic], record.partition)
        if record.offset <= self._remembered.get(place, -1):
            return
        self._remembered[place] = record.offset
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
        if self._reader.insist(lambda: self._dead_letters.save(bad), stop) is None:
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

    def ready(self) -> str | None:
        """None when partitions are assigned and nothing waits. Called from the status thread."""
        return self._reader.why
