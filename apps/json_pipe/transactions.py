"""Kafka transactions: records and the offsets they stand for are committed together, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from runtime.errors import UnavailableError
from runtime.publisher import Outgoing

STEP_S = 10.0  # for each call that waits for Kafka
STUCK_S = 20.0  # librdkafka 2.16 may wait for ever to send offsets after a broker was killed, whatever time it is given
TRIES = 3  # of a call whose answer is late and that may be asked again


class AbortedError(UnavailableError):
    """Kafka has nothing of a transaction: what it was made of can be read again."""


class Transactions:
    """One transactional producer; after a failure that is not an `AbortedError` only a new process goes on."""

    def __init__(self, brokerlist: str, transactional_id: str) -> None:
        """Nothing connects before the first transaction; a new producer ends what an older one of this id left open."""
        self._settings: dict[str, Any] = {
            "bootstrap.servers": brokerlist,
            "client.id": transactional_id,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": 15_000,
            "message.timeout.ms": 10_000,
            "linger.ms": 0,
            "log_level": 2,
        }
        self._producer: Producer | None = None

    def open(self) -> bool:
        """Be known to Kafka, which ends what a killed predecessor left open: its offsets cannot be read before.

        Raises:
            UnavailableError: Kafka is away.
        """
        try:
            self._opened()
        except KafkaException as failed:
            raise UnavailableError(f"Kafka does not open transactions: {failed}") from failed
        return True

    def commit(self, records: Iterable[Outgoing], offsets: Sequence[TopicPartition], consumer: Consumer) -> None:
        """Bring `records` and the consumer's `offsets` to Kafka.

        Raises:
            AbortedError: none of them is there.
            UnavailableError: it is not known whether they are there, and this producer is of no more use.
        """
        producer = self._opened()
        try:
            producer.begin_transaction()
            for each in records:
                producer.produce(each.topic, each.value, key=each.key, headers=each.headers)
            group = consumer.consumer_group_metadata()
            _repeated(lambda: producer.send_offsets_to_transaction(list(offsets), group, STEP_S))
            _repeated(lambda: producer.commit_transaction(STEP_S))
        except KafkaException as failed:
            if _error(failed).txn_requires_abort():
                self._abort(producer)
                raise AbortedError(f"a transaction is aborted: {failed}") from failed
            raise UnavailableError(f"Kafka did not take a transaction: {failed}") from failed
        except (BufferError, TimeoutError) as failed:
            raise UnavailableError(f"Kafka did not take a transaction: {failed}") from failed

    @staticmethod
    def _abort(producer: Producer) -> None:
        try:
            _repeated(lambda: producer.abort_transaction(STEP_S))
        except (KafkaException, TimeoutError) as failed:
            raise UnavailableError(f"Kafka did not abort a transaction: {failed}") from failed

    def _opened(self) -> Producer:
        if self._producer is None:
            producer = Producer(self._settings)
            producer.init_transactions(STEP_S)
            self._producer = producer
        return self._producer


def _repeated(call: Callable[[], object]) -> None:
    for left in reversed(range(TRIES)):
        try:
            _within(STUCK_S, call)
        except KafkaException as failed:
            if left and _error(failed).retriable():
                continue
            raise
        return


def _within(limit_s: float, call: Callable[[], object]) -> None:
    """Call, in a thread that is left behind if it is stuck; the process ends itself soon after.

    Raises:
        TimeoutError: it did not come back.
        BaseException: whatever else `call` raises.
    """
    thread = ThreadPoolExecutor(1, "transaction")
    try:
        thread.submit(call).result(limit_s)
    except TimeoutError:
        raise TimeoutError(f"no answer within {limit_s:.0f} s") from None
    finally:
        thread.shutdown(wait=False)


def _error(failed: KafkaException) -> KafkaError:
    error: KafkaError = failed.args[0]
    return error
