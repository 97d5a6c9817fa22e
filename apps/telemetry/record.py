"""A Kafka record and its headers: where a message came from, and why one could not be used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from telemetry.errors import PayloadError

Headers = list[tuple[str, str | bytes | None]]

TOPIC = "topic"  # the MQTT topic
DEVICE = "device"  # the publishing device; an old board's is the edge it came through
EDGE = "edge"  # the bridge that carried it
ARRIVAL = "arrival"  # when the bridge got it, milliseconds since 1970
REASON = "reason"  # dead letters only: what was wrong
SOURCE = "source"  # dead letters only: the app that gave up, and where the message was
SIZE = "size"  # dead letters only: bytes of the original if the copy was cut
ARRIVAL_DIGITS = 15  # 13 until the year 2286


def origin_headers(topic: str, device: str, edge: str) -> Headers:
    """The headers that all records of one MQTT topic have; each has its `ARRIVAL` besides."""
    return [(TOPIC, topic.encode()), (DEVICE, device.encode()), (EDGE, edge.encode())]


def arrival_headers(topic: str, device: str, edge: str, arrival_ms: int) -> Headers:
    """The headers of a record that came over MQTT."""
    return [*origin_headers(topic, device, edge), (ARRIVAL, b"%d" % arrival_ms)]


def dead_letter_headers(headers: Iterable[tuple[str, str | bytes | None]], reason: str, source: str, size: int) -> Headers:
    """The original's headers, then reason, source and the original's size in bytes."""
    added: Headers = [(REASON, reason[:1000].encode(errors="replace")), (SOURCE, source.encode()), (SIZE, b"%d" % size)]
    return [*headers, *added]


def header(headers: Iterable[tuple[str, str | bytes | None]] | None, name: str) -> str:
    """The last value of header `name`, or an empty text."""
    found = ""
    for key, value in headers or ():
        if key == name and value is not None:
            found = value.decode(errors="replace") if isinstance(value, bytes) else value
    return found


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record, freed of the client library."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: Headers
    timestamp_ms: int

    @property
    def arrival_ms(self) -> int:
        """When the bridge got it; Kafka's time if it did not come over the bridge.

        Raises:
            PayloadError: the header is a number, but no time; Python refuses to read one of 4,301 digits at all.
        """
        told = header(self.headers, ARRIVAL)
        if not told.isdecimal():
            return self.timestamp_ms
        if len(told) > ARRIVAL_DIGITS:
            raise PayloadError(f"the header {ARRIVAL} has {len(told)} digits, which is no time in milliseconds")
        return int(told)


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that goes to the dead-letter topic."""

    record: Record
    reason: str


def next_offsets(records: Iterable[Record]) -> dict[tuple[str, int], int]:
    """What to commit once `records` are stored: per topic and partition the offset behind the last one."""
    behind: dict[tuple[str, int], int] = {}
    for record in records:
        place = (record.topic, record.partition)
        behind[place] = max(behind.get(place, 0), record.offset + 1)
    return behind
