"""Kafka is killed, stands still, or cannot be reached: the bridge acknowledges nothing that Kafka does not have (R3, R4, R9)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.chain import Chain, in_time, nothing_lost
from tests.faults.conftest import Tell
from tests.faults.sizes import SIZE
from tests.support.apps import App
from tests.support.brokers import Kafka, Mosquitto
from tests.support.processes import wait_until
from tests.support.proxy import Proxy

MOST_GROWTH_MB = 100
BACKLOG_S, BACK_S = 60.0, 10.0
ON_THE_WAY_S = 0.5  # until what Kafka had confirmed before is acknowledged


@contextmanager
def acknowledging_nothing(app: App) -> Iterator[None]:
    """While the body runs, Kafka being away, the bridge keeps its MQTT sessions, says it is not ready and sends no PUBACK."""
    time.sleep(ON_THE_WAY_S)
    connects, before = app.counted("bridge_mqtt_connects_total"), app.counted("bridge_acknowledged_total")
    yield
    assert app.counted("bridge_acknowledged_total") == before, "acknowledged what Kafka does not have"
    assert app.counted("bridge_mqtt_connects_total") == connects, "the MQTT session did not live on"


def test_a_killed_kafka_costs_nothing_but_time(chain: Chain, kafka: Kafka, tell: Tell) -> None:
    with chain.flowing() as (cars, stored):
        before_mb = chain.app.memory_mb()
        kafka.kill()
        with acknowledging_nothing(chain.app):
            time.sleep(SIZE.kafka_away_s)
            wait_until("the bridge says that it is not ready", lambda: chain.app.why_not_ready() is not None)
        kafka.start()
        took_s = chain.catch_up(cars, stored)
        grown_mb = chain.app.memory_mb() - before_mb
        account = chain.settled(cars, stored)
        last = chain.app.last()
    tell(account.line("R3 Kafka killed", f"memory +{grown_mb} MB", in_time("backlog gone after", took_s, BACKLOG_S)))
    nothing_lost(account)
    assert account.duplicated == 0, "a Kafka that was away makes no duplicates"
    assert grown_mb <= MOST_GROWTH_MB
    assert last["saved"] == last["received"], "what a person is shown as in Kafka came last, and is there"
    assert (last["saved"]["to"], last["saved"]["payload"][0]) == (chain.topic, "{")


def test_a_kafka_that_stands_still_is_waited_for(chain: Chain, kafka: Kafka, tell: Tell) -> None:
    with chain.flowing() as (cars, stored):
        before_mb = chain.app.memory_mb()
        with kafka.stopped(), acknowledging_nothing(chain.app):
            time.sleep(SIZE.kafka_stopped_s)
        took_s = chain.catch_up(cars, stored)
        grown_mb = chain.app.memory_mb() - before_mb
        account = chain.settled(cars, stored)
    tell(account.line("R4 Kafka stopped", f"memory +{grown_mb} MB", in_time("backlog gone after", took_s, BACKLOG_S)))
    nothing_lost(account)
    assert grown_mb <= MOST_GROWTH_MB


@pytest.fixture
def proxy(kafka: Kafka) -> Iterator[Proxy]:
    """What stands between the bridge and Kafka."""
    made = Proxy(kafka.detour, kafka.behind)
    yield made
    made.close()


def test_a_bridge_cut_off_from_kafka_comes_back_by_itself(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path, proxy: Proxy, tell: Tell
) -> None:
    chain = Chain(mosquitto, kafka, fixture_folder, by_detour=True)
    with chain.flowing() as (cars, stored):
        with proxy.cut(), acknowledging_nothing(chain.app):
            time.sleep(SIZE.cut_s)
        took_s = chain.catch_up(cars, stored, timeout_s=3 * BACK_S)
        account = chain.settled(cars, stored)
    tell(account.line("R9 bridge cut off from Kafka", in_time("back after", took_s, BACK_S)))
    nothing_lost(account)
