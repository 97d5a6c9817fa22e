"""The settings and counters of every app that reads Kafka, and the line that it logs for each record."""

from __future__ import annotations

import sys

from prometheus_client import REGISTRY, CollectorRegistry, Counter
from pydantic import Field
from telemetry.record import Record
from telemetry.text import strip_nul

from runtime.settings import AppSettings

LONGEST_LINE = 200
MALFORMED = "malformed"  # skipped under this name: cannot be read, and another consumer is responsible for it


class ConsumerSettings(AppSettings):
    """What is read, by which group."""

    brokerlist: str = Field(description="Kafka's bootstrap brokers, host:port with commas between")
    group: str = Field(min_length=1, description="Kafka consumer group")
    topic: str = Field(min_length=1, description="Kafka topic that is read")
    dead_letter_topic: str = Field(
        description="Kafka topic of the records that cannot be used; if it is empty, another consumer is responsible for them"
    )
    batch: int = Field(default=500, ge=1, le=10_000, description="most records in one batch")
    batch_wait_s: float = Field(default=0.1, gt=0.0, le=60.0, description="how long a batch waits to be filled")


class ConsumerMetrics:
    """The counters; read = used + skipped + dead-lettered + in the batch at hand."""

    def __init__(self, app: str, registry: CollectorRegistry = REGISTRY) -> None:
        """`app` begins every counter's name; `registry`: one of its own in tests."""
        self.read = Counter(f"{app}_records_read", "records read from Kafka", registry=registry)
        self.used = Counter(f"{app}_records_used", "records that had their effect", registry=registry)
        self.skipped = Counter(f"{app}_records_skipped", "records of other kinds, by kind", ["kind"], registry=registry)
        self.dead_lettered = Counter(f"{app}_dead_lettered", "records in the dead-letter topic", registry=registry)
        self.renewals = Counter(f"{app}_topics_renewed", "times that a topic was found made anew", registry=registry)
        self.missed = Counter(f"{app}_records_missed", "records that Kafka deleted before they were read", registry=registry)
        self.waits = Counter(f"{app}_waits", "times that a batch had to wait for what is away", registry=registry)


def tell(record: Record) -> None:
    """Log a record as lessons expect it: `offset = 114, value = …`, one line whatever the value."""
    value = strip_nul(record.value)[:LONGEST_LINE].decode(errors="replace")
    shown = "".join(letter if letter.isprintable() else "?" for letter in value)
    sys.stdout.write(f"offset = {record.offset}, value = {shown}\n")
