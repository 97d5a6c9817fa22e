"""Messages queue in Mosquitto while the bridge is away: they are drained, and where the queue is too small it is told (R8)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.chain import Chain, as_charted, in_time, nothing_lost
from tests.faults.conftest import Tell
from tests.faults.sizes import SIZE
from tests.support.apps import running
from tests.support.brokers import Kafka, Mosquitto
from tests.support.ledger import reading
from tests.support.processes import wait_until
from tests.support.sessions import dropped_count
from tests.support.traffic import traffic

SMALL_QUEUE = 1_000
TIMES_LIVE = 3.0
Start = Callable[[int], Mosquitto]


@pytest.fixture
def with_queue(tmp_path: Path) -> Iterator[Start]:
    """Starts a Mosquitto that keeps so many messages for an absent bridge."""
    with ExitStack() as stack:

        def start(messages: int) -> Mosquitto:
            folder = tmp_path / "queueing"
            folder.mkdir()
            server = Mosquitto(folder, **as_charted(max_queued_messages=messages, autosave_interval=0))
            stack.callback(server.close)
            server.start()
            return server

        yield start


def test_what_queued_while_the_bridge_was_down_is_drained(
    with_queue: Start, kafka: Kafka, fixture_folder: Path, tell: Tell
) -> None:
    mosquitto = with_queue(SIZE.queued + 1)
    chain = Chain(mosquitto, kafka, fixture_folder)
    with running(chain.app):
        pass  # its session is there
    with (
        traffic(mosquitto, cars=SIZE.cars, most=SIZE.queued) as cars,
        reading(kafka.address, [chain.topic], cars.run) as stored,
    ):
        wait_until("all are acknowledged", lambda: cars.acknowledged == SIZE.queued, 600.0)
        with running(chain.app, ready=False):
            begun_s = time.monotonic()
            wait_until("they are drained", lambda: stored.read() == SIZE.queued, 600.0)
            took_s = time.monotonic() - begun_s
            account = stored.account(cars)
        dropped = dropped_count(mosquitto)
    limit_s = SIZE.queued / (TIMES_LIVE * SIZE.rate)
    rate = f"{SIZE.queued / took_s:,.0f} messages/s, {SIZE.queued / took_s / SIZE.rate:.1f} x the live rate"
    tell(account.line("R8 queue drained", in_time("drained in", took_s, limit_s), rate))
    nothing_lost(account)
    assert (account.duplicated, dropped) == (0, 0)


def test_a_queue_that_is_too_small_drops_what_mosquitto_counts(
    with_queue: Start, kafka: Kafka, fixture_folder: Path, tell: Tell
) -> None:
    mosquitto = with_queue(SMALL_QUEUE)
    chain = Chain(mosquitto, kafka, fixture_folder)
    with running(chain.app):
        pass
    sent = 3 * SMALL_QUEUE
    with (
        traffic(mosquitto, cars=SIZE.cars, most=sent) as cars,
        reading(kafka.address, [chain.topic], cars.run) as stored,
    ):
        wait_until("all are acknowledged", lambda: cars.acknowledged == sent)
        with running(chain.app):
            account = stored.account(cars, timeout_s=3.0)
        dropped = dropped_count(mosquitto)
    tell(account.line("R8 queue too small", f"{dropped} counted as dropped"))
    assert account.lost == dropped == sent - SMALL_QUEUE
