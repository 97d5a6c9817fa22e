"""The doctor's lane through an app: what its canaries bring is done beside the app's own work, and answered.

The lane is a topic of its own, read from its end and without a group: nothing of it is committed, counted or kept, and no
record of the app waits for it. The app's own loop serves it, so an answer says that the loop runs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from confluent_kafka import OFFSET_END, Consumer, TopicPartition
from pydantic import Field
from telemetry.errors import PayloadError
from telemetry.record import REASON, Record

from runtime.camunda import RefusedError
from runtime.consuming import ConsumerSettings
from runtime.errors import UnavailableError
from runtime.publisher import Outgoing, Publisher
from runtime.reader import record_of

log = logging.getLogger(__name__)

OLD_S = 60.0  # nobody waits any longer for the answer to a canary
ANSWER_WITHIN_S = 5.0
AT_ONCE = 20  # there are two a minute


class LaneSettings(ConsumerSettings):
    """What an app has to know of the doctor's lane."""

    canary_topic: str = Field(default="", description="Kafka topic of the doctor's readings; without one they are not served")
    answer_topic: str = Field(default="", description="Kafka topic of the answers to them")


class Lane:
    """The canaries of one app."""

    def __init__(self, settings: LaneSettings, app: str, effect: Callable[[Record], bool]) -> None:
        """`effect` does with a canary what the app does with a record; False says that it is none of the app's business."""
        self._app = app
        self._effect = effect
        self._topic, self._answers = settings.canary_topic, settings.answer_topic
        self._consumer: Consumer | None = None
        self._publisher: Publisher | None = None
        self._brokerlist = settings.brokerlist

    def serve(self, why: str | None) -> None:
        """Do and answer what has come; `why` says what keeps the app from its own records, and then from canaries, too."""
        if not self._topic:
            return
        for message in self._opened().consume(AT_ONCE, 0.0):
            if message.error() is None and time.time() - (record := record_of(message)).timestamp_ms / 1000 < OLD_S:
                self._serve(record, why)

    def _opened(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(
                {
                    "bootstrap.servers": self._brokerlist,
                    "group.id": f"{self._app}-canary",  # the client wants a name; no group of it is ever made
                    "enable.auto.commit": False,
                    "auto.offset.reset": "latest",
                    "queued.max.messages.kbytes": 256,
                    "topic.metadata.refresh.interval.ms": 10_000,
                    "reconnect.backoff.max.ms": 2000,
                    "log_level": 2,
                }
            )
            self._consumer.assign([TopicPartition(self._topic, 0, OFFSET_END)])  # the lane has one partition
        return self._consumer

    def _serve(self, record: Record, why: str | None) -> None:
        try:
            if why is None and not self._effect(record):
                return
        except (PayloadError, RefusedError, UnavailableError, OSError) as failed:
            why = str(failed)
        headers = [(REASON, why[:1000].encode(errors="replace"))] if why else []
        self._publisher = self._publisher or Publisher(self._brokerlist, self._app, ANSWER_WITHIN_S)
        try:
            self._publisher.save([Outgoing(self._answers, self._app, record.value, [*headers])])
        except UnavailableError as failed:
            log.warning("the doctor gets no answer: %s", failed)

    def close(self) -> None:
        """Stop reading."""
        if self._consumer is not None:
            self._consumer.close()
