"""The bridge between real brokers: what goes where, and what it says of each record. What breaks is in tests/faults."""

from __future__ import annotations

import time
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from telemetry.car import encode_json

from infra import wiring
from tests.support.apps import bridge, running
from tests.support.brokers import PASSWORDS, Kafka, Mosquitto
from tests.support.load import contents, reading
from tests.support.processes import wait_until
from tests.support.sessions import entered


def _login(mosquitto: Mosquitto, user: str, client_id: str) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
    client.username_pw_set(user, PASSWORDS[user])
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    return client


def test_key_and_headers_say_where_a_record_comes_from(mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path) -> None:
    cars, boards, dead = kafka.topic("sensor-data"), kafka.topic("broker_message"), kafka.topic("dead-letter", 1)
    app = bridge(fixture_folder, mosquitto, kafka.address, {"sensor-data": cars, "broker_message": boards}, dead)
    name = wiring.CAR_CLIENT_ID.format(number=7)
    with running(app):
        car, board = _login(mosquitto, "fleet", name), _login(mosquitto, "lab", "board")
        car.publish(f"{wiring.CARS_MQTT}/{name}", encode_json(reading(7, 0)), 1).wait_for_publish(5.0)
        board.publish("iotkit/sensor", b"0xBC,21.00,51.4,low\0", 0).wait_for_publish(5.0)
        board.publish("iotkit/hall-3/alert", b"alert: hall", 1).wait_for_publish(5.0)
        wait_until("all three are in Kafka", lambda: app.metric("bridge_delivered_total") == 3)
        for client in (car, board):
            client.disconnect()
            client.loop_stop()
    ((key, value, headers),) = contents(kafka, cars)
    assert (key, value) == (name, encode_json(reading(7, 0)))
    assert (headers["topic"], headers["device"], headers["edge"]) == (f"{wiring.CARS_MQTT}/{name}", name, "bridge")
    assert abs(int(headers["arrival"]) / 1000 - time.time()) < 60
    found = {key: (value, headers["device"]) for key, value, headers in contents(kafka, boards)}
    assert found == {
        "iotkit/sensor": (b"0xBC,21.00,51.4,low\0", "bridge"),
        "iotkit/hall-3/alert": (b"alert: hall", "hall-3"),
    }


def test_only_the_route_of_a_missing_topic_goes_to_the_dead_letters(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path
) -> None:
    cars, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    app = bridge(fixture_folder, mosquitto, kafka.address, {"sensor-data": cars, "broker_message": "no-such-topic"}, dead)
    name = wiring.CAR_CLIENT_ID.format(number=1)
    with running(app):
        car, board = _login(mosquitto, "fleet", name), _login(mosquitto, "lab", "board")
        board.publish("iotkit/alert", b"alert: hall", 1).wait_for_publish(5.0)
        car.publish(f"{wiring.CARS_MQTT}/{name}", b"later", 1).wait_for_publish(5.0)
        wait_until("both are acknowledged", lambda: app.metric("bridge_acknowledged_total") == 2, 60.0)
        for client in (car, board):
            client.disconnect()
            client.loop_stop()
    assert [value for _, value, _ in contents(kafka, cars)] == [b"later"]
    ((_, value, headers),) = contents(kafka, dead)
    assert value == b"alert: hall"
    assert "topic" in headers["reason"].lower()


def test_a_route_that_another_carries_now_leaves_the_kept_session(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path
) -> None:
    cars, boards, dead = kafka.topic("sensor-data"), kafka.topic("broker_message"), kafka.topic("dead-letter", 1)
    both = bridge(fixture_folder, mosquitto, kafka.address, {"sensor-data": cars, "broker_message": boards}, dead)
    with running(both):
        pass
    dropped = f'["{wiring.IOTKIT_ROUTE.mqtt}"]'
    with running(
        bridge(fixture_folder, mosquitto, kafka.address, {"sensor-data": cars}, dead, BRIDGE_UNSUBSCRIBE=dropped)
    ) as app:
        name = wiring.CAR_CLIENT_ID.format(number=1)
        car, board = _login(mosquitto, "fleet", name), _login(mosquitto, "lab", "board")
        board.publish("iotkit/alert", b"alert: hall", 1).wait_for_publish(5.0)
        car.publish(f"{wiring.CARS_MQTT}/{name}", b"later", 1).wait_for_publish(5.0)
        wait_until("the car's is in Kafka", lambda: app.metric("bridge_delivered_total") == 1)
        for client in (car, board):
            client.disconnect()
            client.loop_stop()
    assert contents(kafka, boards) == contents(kafka, dead) == []


def test_a_client_whose_name_ends_with_another_cars_writes_nothing_under_that_cars_key(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path
) -> None:
    cars, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    car = wiring.CAR_CLIENT_ID.format(number=2)
    false = f"x/{car}"
    with (
        running(bridge(fixture_folder, mosquitto, kafka.address, {"sensor-data": cars}, dead)) as app,
        entered(mosquitto, false) as session,
    ):
        assert session.publish(f"{wiring.CARS_MQTT}/{false}", b"not its own"), "Mosquitto binds the topic to the whole name"
        wait_until("it is acknowledged", lambda: app.metric("bridge_acknowledged_total") == 1)
    assert contents(kafka, cars) == []
    ((key, value, headers),) = contents(kafka, dead)
    assert (key, value) == (f"{wiring.CARS_MQTT}/{false}", b"not its own")
    assert headers["reason"] == f"no route for {wiring.CARS_MQTT}/{false}"


LONG, MOST_GROWTH_MB = 1_200, 120  # messages; each a topic of its own, of 60,000 bytes, of which there are copies


def test_long_topics_do_not_fill_the_memory_though_kafka_stands_still(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path
) -> None:
    boards, dead = kafka.topic("broker_message"), kafka.topic("dead-letter", 1)
    with running(bridge(fixture_folder, mosquitto, kafka.address, {"broker_message": boards}, dead)) as app:
        before_mb = app.memory_mb()
        with kafka.stopped(), entered(mosquitto, "board", "lab") as session:
            for number in range(1, LONG + 1):
                assert session.publish(f"{wiring.IOTKIT_MQTT}/{number:059990d}", b"", number)
            wait_until("it reads", lambda: app.metric("bridge_in_flight") > 0)
        wait_until("all are in Kafka", lambda: app.metric("bridge_delivered_total") == LONG, 60.0)
        grown_mb = app.memory_mb() - before_mb
    assert contents(kafka, dead) == []
    assert grown_mb < MOST_GROWTH_MB
