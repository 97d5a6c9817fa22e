"""The loop: read a batch, write it, save what is bad, commit."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.dead_letters import DeadLetters
from runtime.reader import Reader, Source
from runtime.settings import read_password
from runtime.status import Heartbeat
from telemetry.errors import PayloadError
from telemetry.record import BadRecord, Record

from timeseries.batch import Line, write_or_isolate
from timeseries.influx import Influx
from timeseries.metrics import Metrics
from timeseries.points import Series, car_line, car_reading, line
from timeseries.settings import TimeseriesSettings
from timeseries.summary import Summaries

LAG_EVERY_S = 5.0
GATHER_MS = 100  # without it Kafka answers each record that a bridge's batch brings: 480 times a second at 10,000 msg/s


@dataclass(frozen=True, slots=True)
class _Sorted:
    """A batch taken apart: lines by database, what cannot be read, how many have no series by topic."""

    lines: defaultdict[str, list[Line]]
    bad: list[BadRecord]
    skipped: Counter[str]


class Timeseries:
    """Writes the series until told to stop."""

    def __init__(self, settings: TimeseriesSettings, metrics: Metrics, heartbeat: Heartbeat) -> None:
        """Nothing connects before `run`."""
        password = read_password(settings.influx_password_file)
        self._settings = settings
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._series = {series.topic: series for series in settings.series}
        self._summaries = Summaries()
        self._influx = Influx(
            settings.influx_url, settings.influx_user, password, timeout_s=settings.timeout_s, compress=settings.gzip
        )
        self._dead_letters = DeadLetters(settings.brokerlist, settings.dead_letter_topic, "timeseries")
        source = Source(settings.brokerlist, settings.group, tuple(self._series), GATHER_MS)
        self._reader = Reader(source, heartbeat, metrics)
        self._next_lag_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Read, write, commit until `stop`; a batch that is not committed comes again at the next start."""
        try:
            while not stop.is_set():
                records = self._reader.read(self._settings.batch_points, self._settings.batch_wait_s)
                for topic, read in Counter(record.topic for record in records).items():
                    self._metrics.read.labels(topic).inc(read)
                if records and self._store(records, stop) and self._reader.commit(records, self._summaries.floors()):
                    self._metrics.batches.inc()
                self._measure_lag()
        finally:
            self._reader.close()

    def _store(self, records: Sequence[Record], stop: threading.Event) -> bool:
        """Write `records`, however long it takes; False if told to stop before it succeeded."""
        batch = self._sort(records)

        def store() -> int:
            bad = batch.bad + [each for database, part in batch.lines.items() for each in self._write(database, part)]
            self._dead_letters.save(bad)
            return len(bad)

        lost = self._reader.insist(store, stop)
        if lost is None:
            return False
        self._metrics.dead_lettered.inc(lost)
        for topic, count in batch.skipped.items():
            self._metrics.skipped.labels(topic).inc(count)
        return True

    def _sort(self, records: Sequence[Record]) -> _Sorted:
        found = _Sorted(defaultdict(list), [], Counter())
        for record in records:
            series = self._series[record.topic]
            try:
                text = line(series, record) if series.sample == 1 else self._sampled(series, record)
            except PayloadError as broken:
                found.bad.append(BadRecord(record, str(broken)))
                continue
            if text is None:
                found.skipped[record.topic] += 1
            else:
                found.lines[series.database].append(Line(record, text))
        for summary in self._summaries.take():
            series = self._series[summary.last.topic]
            found.lines[series.database].append(Line(summary.last, summary.line(series.summary)))
        return found

    def _sampled(self, series: Series, record: Record) -> bytes | None:
        """The point of a car of the sample; all cars go into the summaries."""
        reading = car_reading(record)
        self._summaries.add(record, reading)
        return car_line(series, reading, record.arrival_ms) if series.samples(reading.car) else None

    def _write(self, database: str, part: list[Line]) -> list[BadRecord]:
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

    def _measure_lag(self) -> None:
        if time.monotonic() < self._next_lag_s:
            return
        self._next_lag_s = time.monotonic() + LAG_EVERY_S
        for topic, records in self._reader.lag().items():
            self._metrics.lag.labels(topic).set(records)

    def ready(self) -> str | None:
        """None when partitions are assigned and InfluxDB answers. Called from the status thread."""
        return self._reader.why or self._influx.ping()


def wiring(settings: TimeseriesSettings) -> str:
    """One line that says what goes where."""
    series = ", ".join(f"{each.topic} -> {each.database}.{each.measurement}" for each in settings.series)
    return f"timeseries {settings.group}: {settings.brokerlist} -> {settings.influx_url}: {series}"
