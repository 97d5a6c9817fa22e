"""The bridge's promise as pure logic: acknowledge in order, only what is saved, and lose nothing to any error of Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from bridge.courier import CUT_BYTES, Courier
from bridge.metrics import Metrics
from bridge.routes import Destination, Way
from bridge.window import Batch, Message, Window
from confluent_kafka import KafkaError, KafkaException
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from telemetry.record import Headers, header

TIMED_OUT = KafkaError.REQUEST_TIMED_OUT
CAR = Destination("data", "car1", "car1")


def message(mid: int, payload: bytes = b"x", destination: Destination | None = CAR) -> Message:
    return Message(Batch(None, 1, 0, 0.0), mid, Way("vehicles/car1", destination, "edge"), payload)


@dataclass
class Sent:
    topic: str
    value: bytes
    headers: Headers
    report: Callable[[Any, Any], None]


@dataclass
class FakeProducer:
    room: int = 1_000_000
    refuses: KafkaError | None = None
    sent: list[Sent] = field(default_factory=list)
    purged: bool = False

    def produce(self, topic: str, value: bytes, *, key: str, headers: Headers, on_delivery: Callable[[Any, Any], None]) -> None:
        assert key
        if self.refuses is not None:
            raise KafkaException(self.refuses)
        if len(self.sent) >= self.room:
            raise BufferError
        self.sent.append(Sent(topic, value, headers, on_delivery))

    def poll(self, timeout: float) -> int:
        assert timeout == 0
        return 0

    def purge(self) -> None:
        self.purged = True

    def take(self) -> Sent:
        return self.sent.pop(0)


class Bench:
    """A courier with producers to play with and a clock that stands."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.now_s = 0.0
        self.made: list[FakeProducer] = []
        self.single = FakeProducer()
        self.metrics = Metrics(CollectorRegistry())
        self.window = Window(1000, 1 << 20)
        self._room = room
        self.courier = Courier(self._make, lambda: self.single, "dead", self.metrics, lambda: self.now_s)

    def _make(self) -> FakeProducer:
        self.made.append(FakeProducer(self._room))
        return self.made[-1]

    @property
    def producer(self) -> FakeProducer:
        return self.made[-1]

    def send(self, *messages: Message) -> None:
        self.window.add(messages)
        self.courier.send(messages)

    def later(self) -> None:
        self.now_s += 10.0
        self.courier.poll(self.window.unsaved)


def fail(sent: Sent, code: int, *, fatal: bool = False) -> None:
    sent.report(KafkaError(code, "told so", fatal), None)


def test_only_the_saved_front_is_acknowledged() -> None:
    window = Window(10, 1000)
    messages = [message(mid) for mid in range(4)]
    window.add(messages)
    messages[1].saved = messages[2].saved = True
    assert window.take_saved() == []
    messages[0].saved = True
    assert [each.mid for each in window.take_saved()] == [0, 1, 2]
    assert [each.mid for each in window.unsaved()] == [3]


@given(st.permutations(range(8)))
def test_whatever_order_kafka_confirms_in_acknowledgements_are_in_the_order_received(order: list[int]) -> None:
    window = Window(100, 1000)
    messages = [message(mid) for mid in range(8)]
    window.add(messages)
    taken: list[int] = []
    for mid in order:
        messages[mid].saved = True
        taken += [each.mid for each in window.take_saved()]
    assert taken == list(range(8))
    assert len(window) == 0


def test_the_window_is_full_by_messages_or_by_bytes_and_opens_again() -> None:
    window = Window(2, 1000)
    first = message(1, b"x" * 1000)
    window.add([first])
    assert window.room == 0
    first.saved = True
    window.take_saved()
    assert window.room == 2
    window.add([message(2)])
    assert window.room == 1
    window.add([message(3)])
    assert window.room == 0


def test_topics_count_as_bytes_for_what_they_take_until_kafka_has_the_message() -> None:
    window = Window(10, 1000)
    long = Message(Batch(None, 1, 0, 0.0), 1, Way("t" * 300, CAR, "edge"), b"")
    window.add([long])
    assert window.room == 0
    long.saved = True
    window.take_saved()
    assert window.room == 10


def test_a_confirmed_message_is_saved_and_carries_its_origin() -> None:
    bench = Bench()
    first = message(1)
    bench.send(first)
    sent = bench.producer.take()
    assert not first.saved
    sent.report(None, None)
    assert first.saved
    assert sent.topic == "data"
    assert [header(sent.headers, name) for name in ("topic", "device", "edge", "arrival")] == [
        "vehicles/car1",
        "car1",
        "edge",
        "0",
    ]


def test_a_full_queue_keeps_the_order() -> None:
    bench = Bench(room=2)
    bench.send(*(message(mid, bytes([mid])) for mid in range(5)))
    order = []
    while bench.producer.sent:
        sent = bench.producer.take()
        order.append(sent.value[0])
        sent.report(None, None)
        bench.later()
    assert order == [0, 1, 2, 3, 4]


def test_a_timeout_is_retried_for_ever_and_never_acknowledged_unsaved() -> None:
    bench = Bench()
    first = message(1)
    bench.send(first)
    for _ in range(50):
        fail(bench.producer.take(), TIMED_OUT)
        assert not first.saved
        bench.later()
    bench.producer.take().report(None, None)
    assert first.saved
    assert first.reason is None


@pytest.mark.parametrize("code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART])
def test_what_kafka_refuses_for_good_becomes_a_dead_letter(code: int) -> None:
    bench = Bench()
    first = message(1)
    bench.send(first)
    fail(bench.producer.take(), code)
    letter = bench.producer.take()
    assert letter.topic == "dead"
    assert header(letter.headers, "reason") == "told so"
    assert not first.saved
    letter.report(None, None)
    assert first.saved


def test_a_refused_dead_letter_is_retried_not_lost() -> None:
    bench = Bench()
    first = message(1)
    bench.send(first)
    fail(bench.producer.take(), KafkaError.TOPIC_AUTHORIZATION_FAILED)
    for _ in range(3):
        fail(bench.producer.take(), KafkaError.TOPIC_AUTHORIZATION_FAILED)
        assert not first.saved
        bench.later()
    bench.producer.take().report(None, None)
    assert first.saved


def test_a_batch_that_is_too_large_is_tried_one_by_one_and_only_the_culprit_dies() -> None:
    bench = Bench()
    good, bad = message(1), message(2, b"x" * 200_000)
    bench.send(good, bad)
    for _ in range(2):
        fail(bench.producer.take(), KafkaError.MSG_SIZE_TOO_LARGE)
    bench.single.take().report(None, None)
    assert good.saved
    assert good.reason is None
    fail(bench.single.take(), KafkaError.MSG_SIZE_TOO_LARGE)
    letter = bench.single.take()
    assert (letter.topic, len(letter.value), header(letter.headers, "size")) == ("dead", CUT_BYTES, "200000")


def test_what_the_producer_itself_refuses_is_a_dead_letter_at_once() -> None:
    bench = Bench()
    bench.producer.refuses = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    bench.send(message(1, b"x" * 100_000))
    assert bench.single.take().topic == "dead"


def test_a_message_without_a_route_is_a_dead_letter() -> None:
    bench = Bench()
    bench.send(message(1, destination=None))
    assert "no route" in header(bench.producer.take().headers, "reason")


def test_a_fatal_producer_is_replaced_and_everything_unsaved_sent_again_in_order() -> None:
    bench = Bench()
    messages = [message(mid, bytes([mid])) for mid in range(5)]
    bench.send(*messages)
    old = bench.producer
    reports = list(old.sent)
    reports[1].report(None, None)
    fail(reports[0], KafkaError.UNKNOWN, fatal=True)
    late = message(5, bytes([5]))
    bench.send(late)
    bench.later()
    bench.later()
    assert old.purged
    assert [sent.value[0] for sent in bench.producer.sent] == [0, 2, 3, 4, 5]
    reports[2].report(KafkaError(TIMED_OUT), None)  # of the old producer: too late to matter
    bench.later()
    assert len(bench.producer.sent) == 5
    for sent in list(bench.producer.sent):
        sent.report(None, None)
    assert [each.mid for each in bench.window.take_saved()] == [0, 1, 2, 3, 4, 5]


CODES = st.sampled_from(
    [None, TIMED_OUT, KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.TOPIC_AUTHORIZATION_FAILED]
)


@given(st.lists(CODES, max_size=60), st.integers(1, 8), st.integers(2, 10))
def test_no_sequence_of_errors_loses_a_message(answers: list[int | None], count: int, room: int) -> None:
    bench = Bench(room=room)
    bench.send(*(message(mid, bytes([mid])) for mid in range(count)))
    stored: Counter[int] = Counter()
    queue = iter([*answers, *[None] * 200])
    while any(not each.saved for each in bench.window.unsaved()):
        for producer in (bench.producer, bench.single):
            if producer.sent:
                sent, answer = producer.take(), next(queue)
                if answer is None:
                    stored[sent.value[0]] += 1
                    sent.report(None, None)
                else:
                    fail(sent, answer)
        bench.later()
    assert [each.mid for each in bench.window.take_saved()] == list(range(count))
    assert set(stored) == set(range(count))
