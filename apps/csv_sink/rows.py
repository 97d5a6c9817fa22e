"""From a Kafka record to a row. Pure."""

from __future__ import annotations

from telemetry import iotkit
from telemetry.record import Record
from telemetry.text import text

SKIPPED = ("alert", *iotkit.UNUSED, iotkit.COMMAND)
OTHER = "other"  # whatever a lesson publishes: one word, so that nobody makes a thousand counters


def row(record: Record) -> str:
    """`sensor,temp,hum,class`, the cells exactly as published, without line end.

    Raises:
        PayloadError: it is no sensor's line.
    """
    iotkit.sensor(record.value)
    return ",".join(iotkit.sensor_cells(text(record.value)))


def kind_of(record: Record) -> str:
    """`sensor`, or the word under which it is skipped.

    Raises:
        PayloadError: neither topic nor shape say what it is, or it is no button's, tag's or encoder's.
    """
    kind = iotkit.kind_of(record)
    iotkit.refuse_malformed(kind, record.value)
    return kind if kind == "sensor" or kind in SKIPPED else OTHER
