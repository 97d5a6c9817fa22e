"""MQTT sessions by hand, packet by packet: what well-kept clients do not do, such as a DUP that nobody sent before."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from bridge.stream import PUBLISH, Packet, Stream
from runtime import mqtt

from infra import wiring
from tests.support.brokers import PASSWORDS, Mosquitto
from tests.support.processes import wait_until

ANSWER_S: Final = 5.0
LONGEST: Final = 1 << 20
_PUBACK, _SUBACK = 0x40, 0x90
SUBSCRIBED: Final = 0x80  # codes below it are granted


class Session:
    """One connection. `code` is the CONNACK's; None if there was none."""

    def __init__(self, port: int, client_id: str, user: str | None, password: str | None, keepalive_s: int = 60) -> None:
        """Connects and waits for the broker's answer."""
        self.link = socket.create_connection(("127.0.0.1", port), ANSWER_S)
        self.messages: list[tuple[str, bytes]] = []
        self._stream = Stream(LONGEST)
        self.link.sendall(mqtt.connect(client_id, mqtt.Login(mqtt.MQTT_3_1_1, user, password, keepalive_s)))
        answer = self._next(0x20)
        self.code = answer[3][1] if answer else None

    def _next(self, kind: int, timeout_s: float = ANSWER_S) -> Packet | None:
        """The next packet of this kind, messages being kept; None if the broker is silent or gone."""
        self.link.settimeout(timeout_s)
        with suppress(TimeoutError, ConnectionError):
            while True:
                for packet in self._stream.take(1):
                    if packet[0] & 0xF0 == kind:
                        return packet
                    if packet[0] & 0xF0 == PUBLISH:
                        self.messages.append((packet[2].decode(), packet[3]))
                        self._acknowledge(packet[1])
                    break
                else:
                    chunk = self.link.recv(65_536)
                    if not chunk:
                        return None
                    self._stream.feed(chunk)
        return None

    def _acknowledge(self, number: int) -> None:
        if number:
            self.link.sendall(mqtt.puback(number))

    def publish(self, topic: str, payload: bytes, number: int = 1, *, again: bool = False) -> bool:
        """Send with QoS 1, flagged DUP if `again`; whether the broker acknowledges it."""
        packet = mqtt.publish(mqtt.MQTT_3_1_1, topic, payload, number)
        with suppress(ConnectionError):
            self.link.sendall(mqtt.again(packet) if again else packet)
            return self._next(_PUBACK) is not None
        return False

    def subscribe(self, wanted: str) -> bool:
        """Ask for a filter; whether the broker says yes."""
        self.link.sendall(mqtt.subscribe(mqtt.MQTT_3_1_1, 1, wanted))
        answer = self._next(_SUBACK)
        return answer is not None and answer[3][2] < SUBSCRIBED

    def listen(self, seconds: float) -> list[tuple[str, bytes]]:
        """What came until it was silent for so long."""
        self._next(_SUBACK, seconds)
        return self.messages

    def close(self) -> None:
        """Hang up."""
        self.link.close()


@contextmanager
def entered(mosquitto: Mosquitto, client_id: str, user: str = "fleet", *, keepalive_s: int = 60) -> Iterator[Session]:
    """A session with the user's password."""
    session = Session(mosquitto.port, client_id, user, PASSWORDS[user], keepalive_s)
    try:
        yield session
    finally:
        session.close()


def dropped_count(mosquitto: Mosquitto) -> int:
    """Messages that it says it has thrown away; it says so once a second, and not again while nothing changes."""
    time.sleep(2.0)
    with entered(mosquitto, "listener", "canary") as session:
        assert session.subscribe(wiring.DROPS_MQTT)
        wait_until("Mosquitto tells", lambda: bool(session.listen(0.5)))
        return int(session.messages[-1][1])
