"""The bridge between real brokers: whatever is killed, nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from telemetry.car import encode_json

from infra import wiring
from tests.support.apps import bridge, running
from tests.support.brokers import PASSWORDS, Kafka, Mosquitto
from tests.support.load import Load, contents, identities, load, reading
from tests.support.processes import wait_until

WINDOW = 500


def _all_there(kafka: Kafka, topic: str, cars: Load) -> Counter[tuple[str, float]]:
    """Wait until Kafka holds every acknowledged reading; how often each is there."""

    def missing() -> set[tuple[str, float]]:
        return cars.acknowledged - set(identities([value for _, value, _ in contents(kafka, topic)]))

    wait_until("every acknowledged reading is in Kafka", lambda: not missing(), 30.0)
    return Counter(identities([value for _, value, _ in contents(kafka, topic)]))


def _login(mosquitto: Mosquitto, user: str, client_id: str) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
    client.username_pw_set(user, PASSWORDS[user])
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    return client


def test_killing_the_bridge_loses_nothing_and_repeats_a_window_at_most(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path
) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    app = bridge(fixture_folder, mosquitto, kafka.address, {"sensor-data": topic}, dead, BRIDGE_WINDOW=str(WINDOW))
    kills = 4
    with running(app), load(mosquitto) as cars:
        for _ in range(kills):
            time.sleep(0.7)
            app.kill()
            time.sleep(0.3)
            app.start()
            app.wait_until_ready()
        cars.stop()
        found = _all_there(kafka, topic, cars)
    assert len(cars.acknowledged) == len(cars.sent) > 500
    assert sum(found.values()) - len(found) <= WINDOW * kills
    assert contents(kafka, dead) == []


def test_a_stopped_bridge_takes_up_what_came_meanwhile(mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    app = bridge(fixture_folder, mosquitto, kafka.address, {"sensor-data": topic}, dead)
    with running(app), load(mosquitto) as cars:
        time.sleep(0.5)
        assert app.terminate() == 0
        time.sleep(1.0)
        app.start()
        app.wait_until_ready()
        cars.stop()
        found = _all_there(kafka, topic, cars)
    assert sum(found.values()) == len(found), "an orderly stop repeats nothing"


def test_killing_kafka_loses_nothing(mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    app = bridge(fixture_folder, mosquitto, kafka.address, {"sensor-data": topic}, dead)
    with running(app), load(mosquitto) as cars:
        time.sleep(1.0)
        kafka.kill()
        before = app.counted("bridge_acknowledged_total")
        time.sleep(2.0)
        assert app.counted("bridge_acknowledged_total") - before < 50, "acknowledged without Kafka"
        wait_until("the bridge says that it is not ready", lambda: app.why_not_ready() is not None)
        kafka.start()
        app.wait_until_ready()
        time.sleep(1.0)
        cars.stop()
        found = _all_there(kafka, topic, cars)
        last = app.last()
    assert len(cars.acknowledged) == len(cars.sent) > 500
    assert sum(found.values()) == len(found), "a Kafka that was away makes no duplicates"
    assert last["saved"] == last["received"], "what a person is shown as in Kafka came last, and is there"
    assert (last["saved"]["to"], last["saved"]["payload"][0]) == (topic, "{")


def test_killing_the_bridge_while_kafka_is_dead_loses_nothing(mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    app = bridge(fixture_folder, mosquitto, kafka.address, {"sensor-data": topic}, dead)
    with running(app), load(mosquitto) as cars:
        time.sleep(0.5)
        kafka.kill()
        time.sleep(1.0)  # some hundred readings lie in the bridge's memory only
        app.kill()
        app.start()
        time.sleep(0.5)
        kafka.start()
        app.wait_until_ready()
        cars.stop()
        _all_there(kafka, topic, cars)
    assert len(cars.acknowledged) == len(cars.sent) > 500


def test_restarting_mosquitto_loses_nothing(mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path) -> None:
    topic, dead = kafka.topic("sensor-data"), kafka.topic("dead-letter", 1)
    app = bridge(fixture_folder, mosquitto, kafka.address, {"sensor-data": topic}, dead)
    with running(app), load(mosquitto) as cars:
        time.sleep(1.0)
        mosquitto.terminate()
        time.sleep(0.5)
        mosquitto.start()
        wait_until("the bridge is back", lambda: app.metric("bridge_mqtt_connects_total") >= 2)
        app.wait_until_ready()
        time.sleep(2.5)  # the cars come back within a second or two
        cars.stop()
        _all_there(kafka, topic, cars)
    assert len(cars.acknowledged) == len(cars.sent) > 500


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


def test_what_kafka_refuses_is_a_dead_letter_with_a_reason_and_stops_nothing(
    mosquitto: Mosquitto, kafka: Kafka, fixture_folder: Path
) -> None:
    small = kafka.topic("sensor-data", settings={"max.message.bytes": "20000"})
    dead = kafka.topic("dead-letter", 1)
    topics = {"sensor-data": small, "broker_message": "no-such-topic"}
    app = bridge(fixture_folder, mosquitto, kafka.address, topics, dead, BRIDGE_MAX_MESSAGE_BYTES="200000")
    name = wiring.CAR_CLIENT_ID.format(number=1)
    too_large = {
        50_000: os.urandom(50_000),
        250_000: os.urandom(250_000),
    }  # for the topic, for the producer; not to be compressed
    with running(app):
        car = _login(mosquitto, "fleet", name)
        for payload in (b"good 1", too_large[50_000], b"good 2", too_large[250_000], b"good 3"):
            car.publish(f"{wiring.CARS_MQTT}/{name}", payload, 1).wait_for_publish(5.0)
        wait_until("the good ones are in Kafka", lambda: app.metric("bridge_delivered_total") == 3)
        wait_until("the bad ones are dead letters", lambda: app.metric("bridge_dead_lettered_total") == 2)
        wait_until("all are acknowledged", lambda: app.metric("bridge_acknowledged_total") == 5)
        car.disconnect()
        car.loop_stop()
    good = [value for _, value, _ in contents(kafka, small)]
    assert sorted(good) == [b"good 1", b"good 2", b"good 3"], "the neighbours of a refused one go again, and others may pass them"
    letters = {int(headers["size"]): (value, headers) for _, value, headers in contents(kafka, dead)}
    assert set(letters) == set(too_large)
    for size, (value, headers) in letters.items():
        assert value == too_large[size][:65_536]
        assert "size" in headers["reason"].lower() or "large" in headers["reason"].lower()
        assert (headers["device"], headers["source"]) == (name, "bridge")


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
