"""The fleet against a real Mosquitto: every car speaks for itself, comes back, and throws nothing away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from telemetry.car import decode_json

from infra import wiring
from tests.support.apps import fleet, running
from tests.support.brokers import PASSWORDS, Mosquitto
from tests.support.processes import wait_until


@contextmanager
def _listening(mosquitto: Mosquitto) -> Iterator[list[MQTTMessage]]:
    found: list[MQTTMessage] = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("lab", PASSWORDS["lab"])
    client.on_message = lambda _c, _d, message: found.append(message)
    client.on_connect = lambda listener, *_: listener.subscribe(f"{wiring.CARS_MQTT}/#", 1)
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
