"""The fleet against a real Mosquitto: every car speaks for itself, comes back, and throws nothing away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from telemetry import truth
from telemetry.car import decode_json
from telemetry.iotkit import decode, origin

from infra import wiring
from tests.support.apps import bridge, fleet, running
from tests.support.brokers import PASSWORDS, Kafka, Mosquitto
from tests.support.load import contents
from tests.support.processes import wait_until


@contextmanager
def _stranger(mosquitto: Mosquitto) -> Iterator[Client]:
    """Somebody with the fleet's login and a client id that is no device's."""
    client = Client(CallbackAPIVersion.VERSION2, client_id="stranger")
    client.username_pw_set("fleet", PASSWORDS["fleet"])
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def _listening(mosquitto: Mosquitto, topic: str = f"{wiring.CARS_MQTT}/#") -> Iterator[list[MQTTMessage]]:
    found: list[MQTTMessage] = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("lab", PASSWORDS["lab"])
    client.on_message = lambda _c, _d, message: found.append(message)
    client.on_connect = lambda listener, *_: listener.subscribe(topic, 1)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    try:
        yield found
    finally:
        client.disconnect()
        client.loop_stop()


def test_each_car_publishes_its_own_readings_on_its_own_topic(mosquitto: Mosquitto, fixture_folder: Path) -> None:
    with _listening(mosquitto) as found, running(fleet(fixture_folder, mosquitto, 25, 0.5)) as app:
        wait_until("some rounds have been published", lambda: len(found) > 150)
        assert app.metric("fleet_connected") == 25
        assert app.metric("fleet_dropped_total") == 0
        assert app.terminate() == 0
    cars = {wiring.CAR_CLIENT_ID.format(number=number) for number in range(1, 26)}
    assert {message.topic for message in found} == {f"{wiring.CARS_MQTT}/{car}" for car in cars}
    for message in found:
        reading = decode_json(bytes(message.payload))
        assert message.topic.endswith(f"/{reading.car}")
        assert reading.failure_occurred in {"true", "false"}
        assert 450 < len(message.payload) < 620


def test_cars_come_back_after_a_restart_and_keep_their_readings_meanwhile(mosquitto: Mosquitto, fixture_folder: Path) -> None:
    with running(fleet(fixture_folder, mosquitto, 25, 1.0)) as app:
        wait_until("a round is acknowledged", lambda: app.metric("fleet_acked_total") >= 25)
        mosquitto.terminate()
        wait_until("the cars notice", lambda: app.metric("fleet_connected") == 0)
        mosquitto.start()
        wait_until("all are back", lambda: app.metric("fleet_connected") == 25, 60.0)
        wait_until("all is acknowledged", lambda: app.metric("fleet_sent_total") - app.metric("fleet_acked_total") <= 2)
        assert app.metric("fleet_dropped_total") == 0


def test_a_thousand_cars_connect_and_publish_from_one_process(mosquitto: Mosquitto, fixture_folder: Path) -> None:
    with running(fleet(fixture_folder, mosquitto, 1000, 10.0)) as app:
        assert app.metric("fleet_connected") == 1000
        wait_until("readings are acknowledged", lambda: app.metric("fleet_acked_total") >= 500)
        assert app.metric("fleet_dropped_total") == 0


def test_boards_publish_on_topics_of_their_own_and_on_no_others(mosquitto: Mosquitto, fixture_folder: Path) -> None:
    more = {"FLEET_IOTKIT": "3", "FLEET_IOTKIT_INTERVAL_S": "0.2", "FLEET_ABNORMAL_PER_HOUR": "60"}
    with _listening(mosquitto, f"{wiring.IOTKIT_MQTT}/#") as found:
        with running(fleet(fixture_folder, mosquitto, 1, 1.0, **more)) as app:
            wait_until("alerts and the rest came", lambda: len({message.topic.split("/")[2] for message in found}) >= 3, 120.0)
            assert app.metric("fleet_connected") == 4
            assert app.metric("fleet_dropped_total") <= 6  # what was due before they were connected: QoS 0 keeps nothing
        with _stranger(mosquitto) as stranger:
            stranger.publish(f"{wiring.IOTKIT_MQTT}/02-00-5e-00-00-01/sensor", b"not mine", 1).wait_for_publish(10.0)
            stranger.publish(f"{wiring.IOTKIT_MQTT}/stranger/sensor", b"mine", 1).wait_for_publish(10.0)
            wait_until("its own came", lambda: b"mine" in [message.payload for message in found])
    assert b"not mine" not in [message.payload for message in found]
    boards = [origin(message.topic) for message in found]
    assert {board.device for board in boards} == {"02-00-5e-00-00-01", "02-00-5e-00-00-02", "02-00-5e-00-00-03", "stranger"}
    for board, message in zip(boards, found, strict=True):
        if board.device != "stranger":
            decode(board.kind, bytes(message.payload))


def test_fans_share_their_topic(mosquitto: Mosquitto, fixture_folder: Path) -> None:
    app = fleet(fixture_folder, mosquitto, 0, 1.0, FLEET_FANS="2", FLEET_FAN_INTERVAL_S="0.1")
    with running(app):
        wait_until("they publish", lambda: app.metric("fleet_acked_total") >= 20)
        assert app.metric("fleet_dropped_total") <= 6


def test_cars_tell_their_truth_on_a_kafka_topic_of_its_own_and_nobody_tells_anothers(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path
) -> None:
    data, told, dead = kafka.topic(wiring.SENSOR_DATA.name), kafka.topic(wiring.FLEET_TRUTH.name), kafka.topic("dead-letter", 1)
    topics = {wiring.SENSOR_DATA.name: data, wiring.FLEET_TRUTH.name: told}
    cars = {wiring.CAR_CLIENT_ID.format(number=number) for number in range(1, 6)}
    with (
        running(bridge(fixture_folder, mosquitto, kafka.address, topics, dead)),
        running(fleet(fixture_folder, mosquitto, 5, 0.1)) as app,
        _stranger(mosquitto) as stranger,
    ):
        stranger.publish(f"{wiring.TRUTH_MQTT}/{min(cars)}", b"not mine", 1).wait_for_publish(10.0)
        stranger.publish(f"{wiring.TRUTH_MQTT}/stranger", b"mine", 1).wait_for_publish(10.0)
        wait_until("everyone's came", lambda: {key for key, _, _ in contents(kafka, told)} == {*cars, "stranger"}, 30.0)
        assert app.metric("fleet_dropped_total") == 0
    found = [(key, payload) for key, payload, _ in contents(kafka, told)]
    assert [payload for key, payload in found if key == "stranger"] == [b"mine"]
    for key, payload in found:
        if key != "stranger":
            assert truth.decode(payload).car == key
    for key, payload, _ in contents(kafka, data):
        assert decode_json(payload).car == key
