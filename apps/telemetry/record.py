"""Headers of the Kafka records: where a message came from, and why one could not be used."""

from __future__ import annotations

from collections.abc import Iterable

Headers = list[tuple[str, str | bytes | None]]

TOPIC = "topic"  # the MQTT topic
DEVICE = "device"  # the publishing device; an old board's is the edge it came through
EDGE = "edge"  # the bridge that carried it
ARRIVAL = "arrival"  # when the bridge got it, milliseconds since 1970
REASON = "reason"  # dead letters only: what was wrong
SOURCE = "source"  # dead letters only: the app that gave up, and where the message was
SIZE = "size"  # dead letters only: bytes of the original if the copy was cut


def arrival_headers(topic: str, device: str, edge: str, arrival_ms: int) -> Headers:
    """The headers of a record that came over MQTT."""
    return [(TOPIC, topic.encode()), (DEVICE, device.encode()), (EDGE, edge.encode()), (ARRIVAL, b"%d" % arrival_ms)]


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
