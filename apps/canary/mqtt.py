"""The canary's MQTT side: publish one reading and see it come back; try what must be refused."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode


class MqttError(Exception):
    """The broker cannot be reached or refuses us; the message says which."""


def _send_at_once(_client: Client, _data: Any, connection: Any) -> None:
    """Paho leaves small packets to wait for the last one's acknowledgement: 40 ms in one of a hundred (2026-11-26)."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class MqttProbe:
    """One connection on a thread of its own."""

    def __init__(self, address: tuple[str, int], client_id: str, login: tuple[str, str] | None) -> None:
        """`login` is user and password; None tries to come in without."""
        self.refused = False
        self.seen_s: float | None = None  # monotonic: when the reading came back
        self._payload = b""
        self._sent: dict[int, bytes] = {}  # by packet id
        self._acknowledged: set[int] = set()  # packet ids; the broker may answer before publish returns
        self._answered = threading.Event()
        self._subscribed = threading.Event()
        self._seen = threading.Event()
        self._reason = "it does not answer"
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        self._client.connect_timeout = 5.0
        if login is not None:
            self._client.username_pw_set(*login)
        self._client.on_socket_open = _send_at_once
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_publish = lambda _c, _d, number, _r, _p: self._acknowledged.add(number)
        self._client.reconnect_delay_set(1, 2)
        self._address = address

    def _on_connect(self, _c: Client, _d: Any, _flags: ConnectFlags, reason: ReasonCode, _p: Properties | None) -> None:
        self.refused = reason.is_failure
        self._reason = str(reason)
        self._answered.set()

    def _on_subscribe(self, _c: Client, _d: Any, _mid: int, reasons: list[ReasonCode], _p: Properties | None) -> None:
        if not any(reason.is_failure for reason in reasons):
            self._subscribed.set()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.payload == self._payload:
            self.seen_s = time.monotonic()
            self._seen.set()

    def connect(self, timeout_s: float) -> None:
        """Connect and log in.

        Raises:
            MqttError: no connection, no answer, or refused.
        """
        try:
            self._client.connect(*self._address, keepalive=30)
        except OSError as failed:
            raise MqttError(str(failed)) from failed
        self._client.loop_start()
        if not self._answered.wait(timeout_s) or self.refused:
            raise MqttError(self._reason)

    def send(self, topic: str, payload: bytes, timeout_s: float) -> float:
        """Subscribe `topic`, publish `payload` on it at QoS 1, and say when (monotonic).

        Raises:
            MqttError: the subscription is refused or not answered.
        """
        self._payload = payload
        self._client.subscribe(topic, 1)
        if not self._subscribed.wait(timeout_s):
            raise MqttError("it does not let the canary read its own topic")
        return self.publish(topic, payload)

    def publish(self, topic: str, payload: bytes) -> float:
        """Publish `payload` at QoS 1 and say when (monotonic)."""
        sent_s = time.monotonic()
        self._sent[self._client.publish(topic, payload, 1).mid] = payload
        return sent_s

    @property
    def acknowledged(self) -> set[bytes]:
        """The payloads that the broker has promised to keep."""
        return {payload for number, payload in self._sent.items() if number in self._acknowledged}

    def wait_until_seen(self, timeout_s: float) -> bool:
        """Whether the reading came back in time."""
        return self._seen.wait(timeout_s)

    def close(self) -> None:
        """Say goodbye."""
        self._client.disconnect()
        self._client.loop_stop()


def refusal(address: tuple[str, int], client_id: str, login: tuple[str, str] | None, timeout_s: float) -> str | None:
    """None if the broker refuses `login`, else what it did instead."""
    probe = MqttProbe(address, client_id, login)
    try:
        probe.connect(timeout_s)
    except MqttError as said:
        return None if probe.refused else f"mosquitto cannot be asked: {said}; run ./lab logs mosquitto"
    finally:
        probe.close()
    return "mosquitto lets it in; look at its configuration, then run ./lab up"
