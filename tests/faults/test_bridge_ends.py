"""The bridge is killed, or stopped and started: what it had not acknowledged comes again, and nothing is lost (R1, R2)."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.chain import Chain, in_time, nothing_lost
from tests.faults.conftest import Tell
from tests.faults.sizes import SIZE
from tests.support.apps import running
from tests.support.brokers import Kafka, Mosquitto
from tests.support.processes import wait_until

WINDOW = 500


def test_a_bridge_killed_again_and_again_loses_nothing_and_repeats_a_window_a_kill_at_most(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path, tell: Tell
) -> None:
    chain = Chain(mosquitto, kafka, fixture_folder, BRIDGE_WINDOW=str(WINDOW))
    slowest_s = 0.0
    with chain.flowing() as (cars, stored):
        for _ in range(SIZE.kills):
            time.sleep(SIZE.between_kills_s)
            begun_s = time.monotonic()
            chain.app.kill()
            chain.app.start()
            chain.app.wait_until_ready()
            chain.catch_up(cars, stored)
            slowest_s = max(slowest_s, time.monotonic() - begun_s)
        account = chain.settled(cars, stored)
    tell(account.line("R1 bridge killed", f"{SIZE.kills} kills", in_time("slowest back", slowest_s, 5.0)))
    nothing_lost(account)
    assert account.duplicated <= WINDOW * SIZE.kills


def test_a_bridge_killed_while_kafka_is_dead_loses_nothing(chain: Chain, kafka: Kafka, tell: Tell) -> None:
    with chain.flowing() as (cars, stored):
        kafka.kill()
        time.sleep(1.0)  # some hundred messages lie in the bridge's memory only
        chain.app.kill()
        chain.app.start()
        time.sleep(0.5)
        kafka.start()
        chain.app.wait_until_ready()
        account = chain.settled(cars, stored)
        again = chain.app.counted("bridge_redelivered_total")
    tell(account.line("R1 bridge killed while Kafka is dead", f"R16: {again:.0f} flagged DUP and carried"))
    nothing_lost(account)
    assert again > SIZE.rate / 2, "what lay in memory came again with DUP, and for Kafka it was new"


def test_a_bridge_that_is_replaced_in_order_loses_and_repeats_nothing(chain: Chain, tell: Tell) -> None:
    with chain.flowing() as (cars, stored):
        begun_s = time.monotonic()
        assert chain.app.terminate() == 0
        chain.app.start()
        chain.app.wait_until_ready()
        chain.catch_up(cars, stored)
        took_s = time.monotonic() - begun_s
        account = chain.settled(cars, stored)
    tell(account.line("R2 bridge replaced", in_time("longest gap", stored.gap_s, 2.0), f"back after {took_s:.1f} s"))
    nothing_lost(account)
    assert account.duplicated == 0


def test_a_bridge_whose_session_a_second_one_takes_over_leaves_no_gap(chain: Chain, tmp_path: Path, tell: Tell) -> None:
    (tmp_path / "second").mkdir()
    second = chain.bridge(tmp_path / "second")
    with chain.flowing() as (cars, stored), running(second, ready=False):
        wait_until("the second has had its turn", lambda: second.metric("bridge_acknowledged_total") > 0)
        time.sleep(SIZE.between_kills_s)  # both run, and take the session from each other
        assert chain.app.terminate() == 0
        second.wait_until_ready()
        account = chain.settled(cars, stored)
    tell(account.line("R2 bridge replaced by a second one", in_time("longest gap", stored.gap_s, 2.0)))
    nothing_lost(account)
