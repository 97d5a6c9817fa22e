"""What became of messages that carry (car, sequence, run): lost is what was acknowledged to the car and is not in Kafka."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

from tests.support.traffic import Traffic


class Carried(msgspec.Struct):
    """What the checker reads of a payload."""

    car: str
    sequence: int
    run: str


_decode = msgspec.json.Decoder(Carried).decode


BATCH = 5_000  # records taken at once


@dataclass(frozen=True, slots=True)
class Account:
    """Counts of one run: `duplicated` are copies beyond the first, `disordered` came first behind a later one of their car."""

    sent: int
    acknowledged: int
    stored: int
    lost: int
    duplicated: int
    disordered: int

    def line(self, fault: str, *more: str) -> str:
        """What is printed for a fault; `more` are its own figures."""
        counts = ", ".join(f"{getattr(self, name)} {name}" for name in self.__slots__)
        return "; ".join((f"{fault}: {counts}", *more))


class Stored:
    """What Kafka holds of a run, read as it comes."""

    def __init__(self, address: str, topics: Sequence[str], run: str) -> None:
        """Asks the Kafka at `address`, which has to be up now and may go away later; close it."""
        self._run = run
        self._consumer = Consumer(
            {"bootstrap.servers": address, "group.id": "ledger", "enable.auto.commit": False, "log_level": 2}
        )
        known = self._consumer.list_topics(timeout=20.0).topics
        self._consumer.assign([TopicPartition(name, number, 0) for name in topics for number in known[name].partitions])
        self._counts: dict[str, Counter[int]] = defaultdict(Counter)  # by car, of each sequence
        self._highest: dict[str, int] = {}
        self.disordered = 0
        self.times_s: list[float] = []  # Kafka's, of each that came first

    def read(self, quiet_s: float = 0.0) -> int:
        """Take what is there, or go on until nothing came for `quiet_s`; how many different messages there are by now."""
        going_on = True
        while going_on:
            records = self._consumer.consume(BATCH, max(0.05, quiet_s))
            for record in records:
                if record.error() is None:
                    self._add(record)
            going_on = bool(records) if quiet_s else len(records) == BATCH  # while cars send, there is no end of it
        return self.unique

    def _add(self, record: Message) -> None:
        told = _decode(record.value() or b"{}")
        if told.run != self._run:
            return
        counts = self._counts[told.car]
        counts[told.sequence] += 1
        if counts[told.sequence] == 1:
            self.times_s.append(record.timestamp()[1] / 1000)
            self.disordered += told.sequence < self._highest.get(told.car, -1)
        self._highest[told.car] = max(told.sequence, self._highest.get(told.car, -1))

    @property
    def unique(self) -> int:
        """Different messages."""
        return sum(len(counts) for counts in self._counts.values())

    @property
    def gap_s(self) -> float:
        """The longest time in which Kafka took nothing new."""
        times = sorted(self.times_s)
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    def missing(self, traffic: Traffic) -> list[float]:
        """When those messages were acknowledged, in monotonic seconds, that are not there."""
        return [
            at_s
            for car in traffic.cars
            for sequence, at_s in list(car.acknowledged.items())
            if sequence not in self._counts[car.name]
        ]

    def account(self, traffic: Traffic, timeout_s: float = 60.0) -> Account:
        """Wait until everything acknowledged is there, or until `timeout_s`; what became of the run."""
        until_s = time.monotonic() + timeout_s
        self.read()
        while self.missing(traffic) and time.monotonic() < until_s:
            self.read(quiet_s=0.1)
        self.read(quiet_s=0.5)
        copies = sum(sum(counts.values()) for counts in self._counts.values())
        return Account(
            sent=traffic.sent,
            acknowledged=traffic.acknowledged,
            stored=self.unique,
            lost=len(self.missing(traffic)),
            duplicated=copies - self.unique,
            disordered=self.disordered,
        )

    def close(self) -> None:
        """Ask no more."""
        self._consumer.close()


@contextmanager
def reading(address: str, topics: Sequence[str], run: str) -> Iterator[Stored]:
    """What Kafka holds of a run, while the body runs."""
    stored = Stored(address, topics, run)
    try:
        yield stored
    finally:
        stored.close()
