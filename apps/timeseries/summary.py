"""What all cars did, where only some cars' readings are written: one point for each thousand records of a partition.

A thousand is counted by Kafka's offsets, and the group's offset never passes the beginning of one that is still open. So
whoever reads on after a crash makes the same points again, which changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import attrgetter
from typing import Final

from telemetry import car
from telemetry.line_protocol import encode
from telemetry.record import Record

RECORDS: Final = 1000  # at 10,000 messages a second and 6 partitions one of them is full after 0.6 s
_values = attrgetter(*car.VALUES)

Place = tuple[str, int]  # topic and partition


class Summary:
    """A thousand records of one partition, as far as they have come."""

    def __init__(self, first: Record) -> None:
        """Nothing is added yet, not even `first`, which gives the point its time."""
        self.begin = first.offset  # a multiple of RECORDS, but where the group has begun within a thousand
        self.end = first.offset - first.offset % RECORDS + RECORDS
        self.last = first
        self._partition = first.partition
        self._time_ns = first.arrival_ms * 1_000_000
        self._rows: list[tuple[float, ...]] = []
        self._count = self._failures = 0
        self._sums = [0.0] * len(car.VALUES)
        self._least, self._most = [math.inf] * len(car.VALUES), [-math.inf] * len(car.VALUES)

    def goes_on_with(self, record: Record) -> bool:
        """Whether `record` is a later one of the same thousand, rather than one that is read again."""
        return self.last.offset < record.offset < self.end

    def add(self, record: Record, reading: car.CarReading) -> None:
        """Count a reading in."""
        self.last = record
        self._rows.append(_values(reading))
        self._failures += reading.failure_occurred == "true"

    def _fold(self) -> None:
        if not self._rows:
            return
        columns = list(zip(*self._rows, strict=True))
        self._count += len(self._rows)
        self._sums = [total + sum(column) for total, column in zip(self._sums, columns, strict=True)]
        self._least = [min(least, *column) for least, column in zip(self._least, columns, strict=True)]
        self._most = [max(most, *column) for most, column in zip(self._most, columns, strict=True)]
        self._rows.clear()

    def line(self, measurement: str) -> bytes:
        """The point as it is by now, in InfluxDB's protocol."""
        self._fold()
        fields: dict[str, float | str] = {"readings": float(self._count), "failures": float(self._failures)}
        for name, total, least, most in zip(car.VALUES, self._sums, self._least, self._most, strict=True):
            fields |= {f"{name}_mean": total / self._count, f"{name}_min": float(least), f"{name}_max": float(most)}
        return encode(measurement, {"partition": str(self._partition)}, fields, self._time_ns)


class Summaries:
    """One open summary for each partition, and those that were filled since they were last taken."""

    def __init__(self) -> None:
        """Nothing is open."""
        self._open: dict[Place, Summary] = {}
        self._touched: list[Summary] = []

    def add(self, record: Record, reading: car.CarReading) -> None:
        """Count a reading in. A record that was read before begins its thousand anew."""
        place = record.topic, record.partition
        summary = self._open.get(place)
        if summary is None or not summary.goes_on_with(record):
            summary = self._open[place] = Summary(record)
        if not self._touched or self._touched[-1] is not summary:
            self._touched.append(summary)
        summary.add(record, reading)

    def take(self) -> list[Summary]:
        """Those that have changed since the last call."""
        taken = list(dict.fromkeys(self._touched))
        self._touched.clear()
        return taken

    def floors(self) -> Mapping[Place, int]:
        """Offsets behind which nothing may be committed yet."""
        return {place: summary.begin for place, summary in self._open.items() if summary.last.offset + 1 < summary.end}
