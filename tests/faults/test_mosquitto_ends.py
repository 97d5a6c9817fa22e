"""Mosquitto is stopped and started, or killed: that loses nothing, or at most what the flush window holds (R6, R7)."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from tests.faults.chain import AUTOSAVE_S, Chain, nothing_lost
from tests.faults.conftest import Tell
from tests.support.apps import running
from tests.support.brokers import Mosquitto
from tests.support.ledger import Account, Stored
from tests.support.processes import wait_until
from tests.support.traffic import Traffic

SAVING_S = 2.0  # Mosquitto counts whole seconds and begins when more than the window has passed; then it has to write
WINDOW_S = AUTOSAVE_S + SAVING_S


def _back(chain: Chain, cars: Traffic) -> None:
    wait_until("the bridge is back", lambda: chain.app.metric("bridge_mqtt_connects_total") >= 2)
    chain.app.wait_until_ready()
    wait_until("the cars are back", lambda: all(car.up for car in cars.cars))


def test_a_mosquitto_that_is_stopped_and_started_loses_nothing(chain: Chain, mosquitto: Mosquitto, tell: Tell) -> None:
    with chain.flowing() as (cars, stored):
        mosquitto.terminate()
        time.sleep(0.5)
        mosquitto.start()
        _back(chain, cars)
        account = chain.settled(cars, stored)
    tell(account.line("R6 Mosquitto restarted"))
    nothing_lost(account)


def test_a_stopped_mosquitto_keeps_what_waits_for_an_absent_bridge(chain: Chain, mosquitto: Mosquitto, tell: Tell) -> None:
    with chain.flowing() as (cars, stored):
        chain.app.terminate()
        time.sleep(2.0)
        mosquitto.terminate()
        mosquitto.start()
        chain.app.start()
        chain.app.wait_until_ready()
        account = chain.settled(cars, stored)
    tell(account.line("R6 Mosquitto restarted without a bridge"))
    nothing_lost(account)


def _written_ns(file: Path) -> int:
    return file.stat().st_mtime_ns if file.exists() else 0


def _is_newer(file: Path, before: int) -> bool:
    return _written_ns(file) > before


def _killed_behind_an_absent_bridge(chain: Chain, cars: Traffic) -> float:
    """Have messages wait, and kill Mosquitto shortly before it writes them down again; when, in monotonic seconds."""
    chain.app.terminate()
    written = chain.mosquitto.log.parent / "mosquitto.db"
    for _ in range(2):  # the second time there is something older than the window
        before = _written_ns(written)
        wait_until("Mosquitto writes", partial(_is_newer, written, before))
    time.sleep(AUTOSAVE_S)
    chain.mosquitto.kill()
    killed_s = time.monotonic()
    time.sleep(0.5)
    assert cars.sent > cars.acknowledged, "the cars have noticed"
    chain.mosquitto.start()
    wait_until("the cars are back", lambda: all(car.up for car in cars.cars))
    return killed_s


def _lost_are_of_the_window(cars: Traffic, stored: Stored, account: Account, killed_s: float) -> str:
    """What is missing was acknowledged within the flush window before the kill; how old the oldest of it was."""
    ages_s = [killed_s - at_s for at_s in stored.missing(cars)]
    assert len(ages_s) == account.lost
    assert all(0.0 <= age_s <= WINDOW_S for age_s in ages_s), f"lost although {max(ages_s):.1f} s old"
    return f"the oldest lost was acknowledged {max(ages_s, default=0.0):.1f} s before the kill, the window is {WINDOW_S:g} s"


def test_a_killed_mosquitto_loses_what_the_flush_window_holds_and_nothing_older(chain: Chain, tell: Tell) -> None:
    with chain.flowing() as (cars, stored):
        killed_s = _killed_behind_an_absent_bridge(chain, cars)
        with running(chain.app):
            time.sleep(1.0)
            cars.stop()
            account = stored.account(cars, timeout_s=10.0)
        tell(account.line("R7 Mosquitto killed, no bridge", _lost_are_of_the_window(cars, stored, account, killed_s)))
    assert account.sent == account.acknowledged
    assert account.lost > 0, "without the window the test shows nothing"


def test_cars_that_send_the_window_again_lose_nothing_to_a_killed_mosquitto(chain: Chain, tell: Tell) -> None:
    with chain.flowing() as (cars, stored):
        killed_s = _killed_behind_an_absent_bridge(chain, cars)
        with running(chain.app):
            cars.replay(killed_s - WINDOW_S)
            cars.stop()
            account = stored.account(cars)
    tell(account.line("R7 Mosquitto killed, cars replay"))
    assert account.sent == account.acknowledged
    assert (account.lost, account.duplicated > 0) == (0, True)


def test_a_killed_mosquitto_whose_bridge_keeps_up_loses_what_was_on_its_way(
    chain: Chain, mosquitto: Mosquitto, tell: Tell
) -> None:
    with chain.flowing() as (cars, stored):
        time.sleep(WINDOW_S)  # else the bridge's session itself is younger than the window, and lost
        mosquitto.kill()
        killed_s = time.monotonic()
        mosquitto.start()
        _back(chain, cars)
        time.sleep(1.0)
        cars.stop()
        account = stored.account(cars, timeout_s=5.0)
        tell(account.line("R7 Mosquitto killed", _lost_are_of_the_window(cars, stored, account, killed_s)))
    assert account.sent == account.acknowledged
