"""Puts records that cannot be used into the dead-letter topic, and says so only when Kafka has them."""

from __future__ import annotations

from collections.abc import Sequence

from telemetry.record import BadRecord, dead_letter_headers

from runtime.publisher import Outgoing, Publisher

CUT_BYTES = 65_536  # what is kept of a record that would not fit with its new headers
LARGEST_BYTES = 900_000


def dead_letter(topic: str, app: str, bad: BadRecord) -> Outgoing:
    """The record for the dead-letter topic; `app` is the name of the app that gives up on it."""
    record = bad.record
    source = f"{app} {record.topic}/{record.partition}/{record.offset}"
    headers = dead_letter_headers(record.headers, bad.reason, source, len(record.value))
    value = record.value if len(record.value) <= LARGEST_BYTES else record.value[:CUT_BYTES]
    return Outgoing(topic, record.key, value, headers)


class DeadLetters:
    """The producer of the dead-letter topic."""

    def __init__(self, brokerlist: str, topic: str, app: str) -> None:
        """`app` is the name of the app that gives up on a record; without a topic another one is responsible."""
        self._topic = topic
        self._app = app
        self._publisher = Publisher(brokerlist, app)

    def save(self, bad: Sequence[BadRecord]) -> int:
        """Bring all of them to Kafka, or none if another one is responsible; returns how many.

        Raises:
            NotSavedError: at least one is not there; all may be offered again.
        """
        if not bad or not self._topic:
            return 0
        self._publisher.save(dead_letter(self._topic, self._app, each) for each in bad)
        return len(bad)
