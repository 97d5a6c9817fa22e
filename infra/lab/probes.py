"""One question to a server in its own protocol."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

ANSWER_WITHIN_S = 5.0
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a server let us in (None: it gave no answer), and its reason."""

    accepted: bool | None
    reason: str


def mqtt_login(port: int, user: str | None, password: str | None) -> Answer:
    """Connect to MQTT on loopback with or without a login and leave again."""
    answered = threading.Event()
    reasons: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="")
    if user is not None:
        client.username_pw_set(user, password)

    def connected(_client: object, _data: object, _flags: object, reason: object, _properties: object) -> None:
        reasons.append(str(reason))
        answered.set()

    client.on_connect = connected
    try:
        client.connect(LOOPBACK, port, keepalive=10)
    except OSError as refused:
        return Answer(None, f"no connection to {LOOPBACK}:{port}: {refused}")
    client.loop_start()
    try:
        if not answered.wait(ANSWER_WITHIN_S):
            return Answer(None, f"no CONNACK from {LOOPBACK}:{port} within {ANSWER_WITHIN_S:.0f} s")
    finally:
        client.disconnect()
        client.loop_stop()
    return Answer(reasons[0] == "Success", reasons[0])
