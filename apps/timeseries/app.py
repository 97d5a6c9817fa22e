"""The loop: read a batch, write it, save what is bad, commit."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from runtime.backoff import Backoff
from runtime.seldom import Seldom
from runtime.settings import read_password
from runtime.status import Heartbeat
from telemetry.errors import PayloadError

from timeseries.batch import BadRecord, Line, write_or_isolate
from timeseries.dead_letters import DeadLetters, NotSavedError
from timeseries.influx import Influx, UnavailableError
from timeseries.metrics import Metrics
from timeseries.points import Record, line
from timeseries.settings import TimeseriesSettings

log = logging.getLogger(__name__)

LAG_EVERY_S = 5.0


def _consumer(settings: TimeseriesSettings) -> Consumer:
    seldom = Seldom(log)

    def on_error(error: KafkaError) -> None:
        seldom.warning(f"Kafka: {error.str()}")

    return Consumer(
        {
            "bootstrap.servers": settings.brokerlist,
            "group.id": settings.group,
            "client.id": settings.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 10_000,  # a killed reader's partitions are free again after this time
            "queued.max.messages.kbytes": 16_384,
            "topic.metadata.refresh.interval.ms": 10_000,  # a topic made after us is found soon
            "reconnect.backoff.max.ms": 2000,
            "socket.keepalive.enable": True,
            "error_cb": on_error,
            "log_level": 2,  # the client's own log would say the same again, many times a second
        }
    )


def _record(message: KafkaMessage) -> Record:
    key = message.key() or b""
    headers = message.headers() or []
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=key.decode(errors="replace") if isinstance(key, bytes) else key,
        value=message.value() or b"",
        headers=headers if isinstance(headers, list) else list(headers.items()),
        timestamp_ms=message.timestamp()[1],
    )


def next_offsets(records: Iterable[Record]) -> dict[tuple[str, int], int]:
    """What to commit once `records` are stored: per partition the offset behind the last one."""
    behind: dict[tuple[str, int], int] = {}
    for record in records:
        place = (record.topic, record.partition)
        behind[place] = max(behind.get(place, 0), record.offset + 1)
    return behind


class Timeseries:
    """Writes the series until told to stop."""

    def __init__(self, settings: TimeseriesSettings, metrics: Metrics, heartbeat: Heartbeat) -> None:
        """Nothing connects before `run`."""
        password = read_password(settings.influx_password_file)
        self._settings = settings
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._series = {series.topic: series for series in settings.series}
        self._influx = Influx(
            settings.influx_url, settings.influx_user, password, timeout_s=settings.timeout_s, compress=settings.gzip
        )
        self._dead_letters = DeadLetters(settings.brokerlist, settings.dead_letter_topic, "timeseries")
        self._consumer = _consumer(settings)
        self._early: list[KafkaMessage] = []  # came from a newly assigned partition while a batch waited
        self._why: str | None = "no partitions of Kafka are assigned yet"
        self._next_lag_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Read, write, commit until `stop`; a batch that is not committed comes again at the next start."""
        self._consumer.subscribe(list(self._series), on_assign=self._on_assign)
        try:
            while not stop.is_set():
                self._heartbeat.beat()
                messages = self._early + self._consumer.consume(self._settings.batch_points, self._settings.batch_wait_s)
                self._early = []
                records = self._usable(messages)
                if records and self._store(records, stop):
                    self._commit(records)
                self._measure_lag()
        finally:
            self._consumer.close()

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.info("reads %d partitions", len(partitions))
        self._why = None

    def _usable(self, messages: Iterable[KafkaMessage]) -> list[Record]:
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(_record(message))
            else:
                log.warning("Kafka: %s", error.str())
        for topic, read in Counter(record.topic for record in records).items():
            self._metrics.read.labels(topic).inc(read)
        return records

    def _store(self, records: Sequence[Record], stop: threading.Event) -> bool:
        """Write `records`, however long it takes; False if told to stop before it succeeded."""
        backoff = Backoff(0.5, 5.0)
        waited = False
        while not stop.is_set():
            try:
                bad = self._write(records)
                self._dead_letters.save(bad)
            except (UnavailableError, NotSavedError) as failed:
                self._wait(str(failed), backoff.next_s())
                waited = True
                continue
            if waited:
                log.info("goes on")
                self._consumer.resume(self._consumer.assignment())
                self._why = None
            self._metrics.dead_lettered.inc(len(bad))
            return True
        return False

    def _write(self, records: Sequence[Record]) -> list[BadRecord]:
        lines: defaultdict[str, list[Line]] = defaultdict(list)
        bad: list[BadRecord] = []
        for record in records:
            series = self._series[record.topic]
            try:
                lines[series.database].append(Line(record, line(series, record)))
            except PayloadError as broken:
                bad.append(BadRecord(record, str(broken)))
        for database, part in lines.items():
            bad += self._write_part(database, part)
        return bad

    def _write_part(self, database: str, part: list[Line]) -> list[BadRecord]:
        def write(lines: Sequence[Line]) -> str | None:
            self._heartbeat.beat()
            reason = self._influx.write(database, [line.text for line in lines])
            if reason is not None:
                self._metrics.partial.inc()
            return reason

        bad = write_or_isolate(part, write)
        self._metrics.written.labels(database).inc(len(part) - len(bad))
        now_s = time.time()
        for written in part:
            self._metrics.latency.observe(max(0.0, now_s - written.record.arrival_ms / 1000))
        return bad

    def _wait(self, why: str, wait_s: float) -> None:
        """Wait without losing the group's membership: poll, but with every partition paused."""
        log.warning("%s; offsets wait", why)
        self._why = why
        self._metrics.waits.inc()
        until_s = time.monotonic() + wait_s
        while (left_s := until_s - time.monotonic()) > 0:
            self._heartbeat.beat()
            self._consumer.pause(self._consumer.assignment())
            message = self._consumer.poll(min(left_s, 1.0))
            if message is not None:
                self._early.append(message)

    def _commit(self, records: Sequence[Record]) -> None:
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in next_offsets(records).items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as failed:
            log.warning("offsets are not committed, these records come again: %s", failed.args[0].str())
            return
        self._metrics.batches.inc()

    def _measure_lag(self) -> None:
        if time.monotonic() < self._next_lag_s:
            return
        self._next_lag_s = time.monotonic() + LAG_EVERY_S
        lag = dict.fromkeys(self._series, 0)
        for place in self._consumer.position(self._consumer.assignment()):
            _low, high = self._consumer.get_watermark_offsets(place, cached=True) or (0, 0)
            if place.offset >= 0:
                lag[place.topic] += max(0, high - place.offset)
        for topic, records in lag.items():
            self._metrics.lag.labels(topic).set(records)

    def ready(self) -> str | None:
        """None when partitions are assigned and InfluxDB answers. Called from the status thread."""
        return self._why or self._influx.ping()


def wiring(settings: TimeseriesSettings) -> str:
    """One line that says what goes where."""
    series = ", ".join(f"{each.topic} -> {each.database}.{each.measurement}" for each in settings.series)
    return f"timeseries {settings.group}: {settings.brokerlist} -> {settings.influx_url}: {series}"
