"""A rolling upgrade of the bridge: the new process takes the session when it can read, the old one leaves it, nothing waits."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.support.apps import App, bridge, running
from tests.support.brokers import Kafka, Mosquitto
from tests.support.load import Identity, Load, contents, identities, largest_gap_s, load
from tests.support.processes import free_port, wait_until

RATE, WINDOW = 500.0, 500
UPGRADES = 3
MOST_GAP_S = 5.0  # 2 are asked for; a machine that is busy may take a second to get to it
TAKEN = "another client has taken the session"


def arrived(kafka: Kafka, topic: str, cars: Load) -> Counter[Identity]:
    """How often each reading is in Kafka, as soon as each that was acknowledged is."""

    def found() -> list[Identity]:
        return identities([value for _, value, _ in contents(kafka, topic)])

    wait_until("every acknowledged reading is in Kafka", lambda: cars.acknowledged <= set(found()), 30.0)
    return Counter(found())


def wait_until_left(app: App) -> None:
    wait_until("the older bridge leaves the session", lambda: TAKEN in (app.why_not_ready() or ""))


class Bridges:
    """Processes with one and the same client id."""

    def __init__(self, folder: Path, mosquitto: Mosquitto, kafka: Kafka) -> None:
        self.topic, self.dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
        self._folder, self._mosquitto, self._kafka = folder, mosquitto, kafka
        self._made = 0

    def another(self, brokerlist: str = "") -> App:
        self._made += 1
        folder = self._folder / str(self._made)
        folder.mkdir()
        topics = {"sensor-data": self.topic}
        where = brokerlist or self._kafka.address
        return bridge(folder, self._mosquitto, where, topics, self.dead, BRIDGE_WINDOW=str(WINDOW))


def test_an_upgrade_under_load_loses_nothing_and_no_reading_waits(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path
) -> None:
    bridges = Bridges(fixture_folder, mosquitto, kafka)
    with ExitStack() as stack:
        current = stack.enter_context(running(bridges.another()))
        cars = stack.enter_context(load(mosquitto, rate=RATE))
        for _ in range(UPGRADES):
            time.sleep(1.0)
            new = stack.enter_context(running(bridges.another()))
            time.sleep(2.0)  # kubelet and the controller take their time to see that it is ready
            wait_until_left(current)
            assert current.counted("bridge_mqtt_connects_total") == new.counted("bridge_mqtt_connects_total") == 1, "no fight"
            assert current.terminate() == 0
            current = new
        time.sleep(1.0)
        cars.stop()
        found = arrived(kafka, bridges.topic, cars)
    assert len(cars.acknowledged) == len(cars.sent) > 2 * RATE
    assert set(found) == cars.sent
    doubled = sum(found.values()) - len(found)
    gap_s = largest_gap_s(kafka, bridges.topic)
    print(f"{UPGRADES} upgrades at {RATE:.0f}/s: {len(found)} readings, {doubled} doubled, longest gap {gap_s:.3f} s")
    assert doubled <= WINDOW * UPGRADES
    assert gap_s < MOST_GAP_S
    assert contents(kafka, bridges.dead) == []


def test_a_new_bridge_that_dies_gives_the_session_back_and_nothing_is_lost(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path
) -> None:
    bridges = Bridges(fixture_folder, mosquitto, kafka)
    with running(bridges.another()) as old, load(mosquitto, rate=RATE) as cars:
        with running(bridges.another()) as new:
            wait_until_left(old)
            new.kill()
        old.wait_until_ready(60.0)
        cars.stop()
        found = arrived(kafka, bridges.topic, cars)
    assert set(found) == cars.sent


def test_a_new_bridge_without_kafka_leaves_the_session_where_it_is(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path
) -> None:
    bridges = Bridges(fixture_folder, mosquitto, kafka)
    with running(bridges.another()) as old, load(mosquitto, rate=RATE) as cars:
        with running(bridges.another(f"127.0.0.1:{free_port()}"), ready=False) as new:
            wait_until("it waits", lambda: "not connected yet" in (new.why_not_ready() or ""))
            before = old.counted("bridge_acknowledged_total")
            wait_until("the old one goes on", lambda: old.metric("bridge_acknowledged_total") > before + RATE)
            assert new.terminate() == 0
        cars.stop()
        found = arrived(kafka, bridges.topic, cars)
        assert old.counted("bridge_mqtt_connects_total") == 1
    assert sum(found.values()) == len(found) == len(cars.sent)
