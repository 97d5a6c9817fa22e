"""A person at an MQTT broker, beside what a test is about."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.brokers import PASSWORDS


@contextmanager
def person(port: int, topic: str | None = None) -> Iterator[tuple[Client, list[MQTTMessage]]]:
    """A client of the login of people, and what it hears."""
    found: list[MQTTMessage] = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("lab", PASSWORDS["lab"])
    client.on_message = lambda _c, _d, message: found.append(message)
    heard = threading.Event()
    client.on_subscribe = lambda *_: heard.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        if topic is not None:
            client.subscribe(topic, 1)
            assert heard.wait(10.0)
        yield client, found
    finally:
        client.disconnect()
        client.loop_stop()
