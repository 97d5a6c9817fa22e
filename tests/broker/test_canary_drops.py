"""What a real Mosquitto throws away is counted and alarmed, whatever is restarted in between."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from canary import standing as beside_us
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client import CollectorRegistry
from runtime import mqtt
from runtime.status import serving

from infra import wiring
from tests.support.apps import App, canary, running
from tests.support.brokers import PASSWORDS, Influx, Kafka, Mosquitto
from tests.support.processes import wait_until

KEPT = 5  # messages that the queue of a client holds that is away
TOPIC = f"{wiring.IOTKIT_MQTT}/hall/sensor"
DROPPED = "canary_mosquitto_dropped_total"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "small"
    folder.mkdir()
    broker = Mosquitto(folder, max_queued_messages=KEPT, sys_interval=1)
    broker.start()
    yield broker
    broker.close()


@pytest.fixture
def standing(small: Mosquitto, kafka: Kafka, influx: Influx, fixture_folder: Path) -> Iterator[App]:
    """A canary that stands where nobody carries its readings: only the broker is of interest here."""
    with running(canary(fixture_folder, small, kafka, influx, "no-topic", "serve", CANARY_HOP_TIMEOUT_S="1")) as app:
        wait_until("it hears the broker's count", lambda: "has dropped 0 messages since it started" in app.log.read_text())
        assert told(app) == ""
        yield app


def told(app: App) -> str | None:
    """What the doctor is told; None while the canary does not answer."""
    return app.last().get("services", {}).get("mosquitto")


def login(broker: Mosquitto, name: str, *, clean: bool, user: str = "lab") -> Client:
    client = Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean)
    client.username_pw_set(user, PASSWORDS[user])
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    wait_until(f"{name} is connected", client.is_connected)
    return client


def leave(client: Client) -> None:
    client.disconnect()
    client.loop_stop()


def subscribe(client: Client, topic: str) -> None:
    done: list[int] = []
    client.on_subscribe = lambda _c, _d, mid, _r, _p: done.append(mid)
    client.subscribe(topic, 1)
    wait_until(f"it may read {topic}", lambda: bool(done))


def publish(broker: Mosquitto, count: int) -> None:
    """To a client that is away and holds `KEPT` of them."""
    client = login(broker, "writer", clean=True)
    for number in range(count):
        client.publish(TOPIC, b"%d" % number, 1).wait_for_publish(10.0)
    leave(client)


def test_what_a_client_missed_that_was_away_too_long_is_counted_over_the_brokers_restart_and_alarmed(
    small: Mosquitto, kafka: Kafka, influx: Influx, standing: App, fixture_folder: Path
) -> None:
    away = login(small, "away", clean=False)
    subscribe(away, TOPIC)
    leave(away)
    publish(small, KEPT)
    assert standing.counted(DROPPED) == 0
    publish(small, 12)
    wait_until("the drops are counted", lambda: standing.metric(DROPPED) == 12)
    assert "12 messages in the last 10 minutes (shard 0: 12)" in (told(standing) or "")
    assert "messages are being dropped for client away" in small.log.read_text(), "the sentence sends people to this line"
    small.terminate()
    small.start()
    publish(small, 3)  # the queue of the client that is away is as full as it was
    wait_until("a new broker's count is added", lambda: standing.metric(DROPPED) == 15)
    assert "15 messages in the last 10 minutes" in (told(standing) or "")
    beside = {"METRICS_PORT": str(standing.status_port), "CANARY_HOP_TIMEOUT_S": "1"}
    own = fixture_folder / "once"
    own.mkdir()
    once = canary(own, small, kafka, influx, "no-topic", "once", "--json", **beside)
    once.start()
    wait_until("a flight beside it is over", lambda: not once.alive, 60.0)
    assert json.loads(once.log.read_text().splitlines()[-1])["services"] == {"mosquitto": told(standing)}


def test_what_a_client_missed_that_reads_too_slowly_is_counted_at_qos_0_too(small: Mosquitto, standing: App) -> None:
    known = mqtt.Login(mqtt.MQTT_3_1_1, "lab", PASSWORDS["lab"], 60)
    with socket.create_connection(("127.0.0.1", small.port)) as slow:
        slow.sendall(mqtt.connect("slow", known) + mqtt.subscribe(mqtt.MQTT_3_1_1, 1, TOPIC))
        assert slow.recv(9, socket.MSG_WAITALL)[4] == 0x90, "CONNACK and SUBACK; from here on it reads nothing"
        writer = login(small, "writer", clean=True)
        for _ in range(200):  # 40 MB, more than the kernel holds for it
            writer.publish(TOPIC, bytes(200_000), 0).wait_for_publish(10.0)
        wait_until("the drops are counted", lambda: standing.metric(DROPPED) > 0)
        leave(writer)


def heard_of_everything(broker: Mosquitto, user: str, marker: str, writer: str) -> set[str]:
    """What comes to a login that subscribes to everything of the broker's own, up to a last message that it may read."""
    heard: set[str] = set()

    def keep(_client: Client, _data: object, message: MQTTMessage) -> None:
        heard.add(message.topic)

    client = login(broker, f"{user}-1", clean=True, user=user)
    client.on_message = keep
    subscribe(client, "$SYS/#")
    subscribe(client, marker)
    writing = login(broker, "writer", clean=True, user=writer)
    writing.publish(marker, b"last", 1).wait_for_publish(10.0)
    wait_until("the last one comes", lambda: marker in heard)
    leave(writing)
    leave(client)
    return heard - {marker}


def test_the_canary_may_read_that_topic_and_no_other_of_the_brokers_own(small: Mosquitto) -> None:
    lane = f"{wiring.CANARY_MQTT}/{wiring.RESERVED_DEVICE}"
    assert heard_of_everything(small, "canary", lane, "canary") == {wiring.DROPS_MQTT}
    assert heard_of_everything(small, "bridge", lane, "canary") == set()
    assert heard_of_everything(small, "lab", TOPIC, "lab") == set()


def nothing() -> None:
    """All is well."""


def test_a_flight_asks_the_canary_that_stands_beside_it_what_it_knows() -> None:
    known = {"services": {"mosquitto": "it threw away 3 messages"}}
    with serving(0, nothing, nothing, lambda: known, registry=CollectorRegistry(), address="127.0.0.1") as port:
        assert beside_us.services(port) == known["services"]
    (told,) = beside_us.services(port).items()
    assert told[0] == "canary"
    assert told[1].startswith("it does not tell what it watches")
    with serving(0, nothing, nothing, registry=CollectorRegistry(), address="127.0.0.1") as other:
        assert list(beside_us.services(other)) == ["canary"]
