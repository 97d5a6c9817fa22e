"""Bridges on several brokers: one reads all of them and none waits for another; several share them out, or a broker's filter."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from infra import wiring
from tests.support.apps import App, bridge, running
from tests.support.brokers import PASSWORDS, Kafka, Mosquitto
from tests.support.load import Load, contents, identities, load
from tests.support.processes import wait_until

SHARDS = 3


@pytest.fixture
def shards(tmp_path: Path) -> Iterator[list[Mosquitto]]:
    with ExitStack() as stack:
        made = []
        for number in range(SHARDS):
            folder = tmp_path / f"mosquitto-{number}"
            folder.mkdir()
            made.append(Mosquitto(folder))
            stack.callback(made[-1].close)
            made[-1].start()
        yield made


@contextmanager
def playing(shards: list[Mosquitto]) -> Iterator[list[Load]]:
    """Cars at each shard, none with the same name; the bridge has its sessions already, else nobody would keep what they send."""
    with ExitStack() as stack:
        yield [stack.enter_context(load(each, cars=3, rate=100.0, first=1 + 10 * number)) for number, each in enumerate(shards)]


def wait_for_all(kafka: Kafka, topic: str, loads: list[Load]) -> None:
    for each in loads:
        each.stop()
    acknowledged = set().union(*(each.acknowledged for each in loads))
    assert len(acknowledged) > 100

    def missing() -> set[tuple[str, float]]:
        return acknowledged - set(identities([value for _, value, _ in contents(kafka, topic)]))

    wait_until("every acknowledged reading is in Kafka", lambda: not missing(), 30.0)


def doubled(kafka: Kafka, topic: str) -> int:
    """Copies in Kafka beyond one of each reading."""
    found = identities([value for _, value, _ in contents(kafka, topic)])
    return len(found) - len(set(found))


def test_a_shard_that_is_killed_stops_no_other_and_is_taken_up_again(
    shards: list[Mosquitto], kafka: Kafka, fixture_folder: Path
) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    with running(bridge(fixture_folder, shards, kafka.address, {"sensor-data": topic}, dead)) as app, playing(shards) as loads:
        assert app.metric("bridge_mqtt_connects_total") == SHARDS
        shards[1].terminate()
        wait_until("the bridge names the shard", lambda: f"127.0.0.1:{shards[1].port}" in (app.why_not_ready() or ""))
        before = app.counted("bridge_acknowledged_total")
        wait_until("the others go on", lambda: app.metric("bridge_acknowledged_total") > before + 100)
        shards[1].start()
        app.wait_until_ready()
        time.sleep(2.5)  # its cars come back within a second or two
        wait_for_all(kafka, topic, loads)
        wait_until("each is acknowledged", lambda: app.metric("bridge_in_flight") == 0)
    assert contents(kafka, dead) == []


def test_killing_the_bridge_loses_nothing_of_any_shard(shards: list[Mosquitto], kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    app = bridge(fixture_folder, shards, kafka.address, {"sensor-data": topic}, dead)
    with running(app), playing(shards) as loads:
        for _ in range(3):
            time.sleep(0.7)
            app.kill()
            app.start()
            app.wait_until_ready()
        wait_for_all(kafka, topic, loads)


def test_what_comes_by_each_session_is_acknowledged_to_its_own_broker(
    shards: list[Mosquitto], kafka: Kafka, fixture_folder: Path
) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    with running(bridge(fixture_folder, shards, kafka.address, {"sensor-data": topic}, dead)) as app:
        with playing(shards) as loads:
            time.sleep(1.0)
            wait_for_all(kafka, topic, loads)
        wait_until("each is acknowledged", lambda: app.metric("bridge_in_flight") == 0)
    for shard in shards:
        assert _kept_for_the_bridge(shard) == [], "the broker holds nothing that was acknowledged"


class Folders:
    """Makes each bridge a folder of its own."""

    def __init__(self, folder: Path, kafka: Kafka) -> None:
        self.topic, self.dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
        self._folder, self._kafka = folder, kafka

    def bridge(self, name: str, brokers: list[Mosquitto], **more: str) -> App:
        folder = self._folder / name
        folder.mkdir()
        return bridge(folder, brokers, self._kafka.address, {"sensor-data": self.topic}, self.dead, **more)


def test_two_bridges_that_share_out_the_shards_carry_each_reading_once(
    shards: list[Mosquitto], kafka: Kafka, fixture_folder: Path
) -> None:
    made = Folders(fixture_folder, kafka)
    with running(made.bridge("0", shards[0::2])) as first, running(made.bridge("1", shards[1::2])) as second:
        with playing(shards) as loads:
            time.sleep(1.0)
            wait_for_all(kafka, made.topic, loads)
        assert (first.counted("bridge_mqtt_connects_total"), second.counted("bridge_mqtt_connects_total")) == (2, 1)
        assert first.counted("bridge_received_total") > second.counted("bridge_received_total") > 0
    assert doubled(kafka, made.topic) == 0


def test_shards_that_are_shared_out_anew_take_their_sessions_along(
    shards: list[Mosquitto], kafka: Kafka, fixture_folder: Path
) -> None:
    made = Folders(fixture_folder, kafka)
    with running(made.bridge("all", shards)) as alone, playing(shards) as loads:
        time.sleep(0.5)
        with running(made.bridge("1", shards[1::2])):
            alone.terminate()
            with running(made.bridge("0", shards[0::2])):
                time.sleep(0.5)
                wait_for_all(kafka, made.topic, loads)
    for shard in shards:
        assert _kept_for_the_bridge(shard) == [], "no session is left that nobody reads"


def test_two_bridges_of_a_group_share_one_broker_and_lose_and_double_nothing(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path
) -> None:
    made = Folders(fixture_folder, kafka)
    shared = json.dumps([{"mqtt": f"$share/bridges/{wiring.CARS_MQTT}/#", "kafka": made.topic, "key": "level:-1"}])
    with ExitStack() as stack:
        pair = [
            stack.enter_context(running(made.bridge(name, [mosquitto], BRIDGE_ID=name, BRIDGE_ROUTES=shared)))
            for name in ("bridge-a", "bridge-b")
        ]
        with load(mosquitto) as cars:
            time.sleep(1.5)
            wait_for_all(kafka, made.topic, [cars])
        assert min(app.counted("bridge_received_total") for app in pair) > 50, "both have a part of it"
    assert doubled(kafka, made.topic) == 0
    assert contents(kafka, made.dead) == []


def _kept_for_the_bridge(shard: Mosquitto) -> list[bytes]:
    """What the broker sends to whoever takes the bridge's session."""
    got: list[bytes] = []

    def keep(_client: Client, _data: object, message: MQTTMessage) -> None:
        got.append(bytes(message.payload))

    client = Client(CallbackAPIVersion.VERSION2, client_id="bridge", clean_session=False)
    client.username_pw_set("bridge", PASSWORDS["bridge"])
    client.on_message = keep
    client.connect("127.0.0.1", shard.port)
    client.loop_start()
    time.sleep(0.5)
    client.disconnect()
    client.loop_stop()
    return got
