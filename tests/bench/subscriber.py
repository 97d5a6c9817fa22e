"""Who takes what cars publish, and notes when it came: one subscription of QoS 0, which costs its broker the least."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import msgspec
from bridge.stream import PUBLISH, Stream
from runtime import mqtt

from infra import wiring
from tests.support.brokers import PASSWORDS
from tests.support.processes import wait_until

READ_BYTES = 262_144
STILL_S = 2.0
WITHIN_S = 60.0


class Reading(msgspec.Struct):
    """Of a car's reading, what makes it unique."""

    car: str
    time: float  # s since 1970: when it was made


class Subscriber:
    """One connection to one broker."""

    def __init__(self, port: int) -> None:
        """Has subscribed when this returns."""
        self._link = socket.create_connection(("127.0.0.1", port), 10.0)
        self._link.sendall(mqtt.connect("bench", mqtt.Login(mqtt.MQTT_3_1_1, "lab", PASSWORDS["lab"], 0)))
        assert self._link.recv(4) == b"\x20\x02\x00\x00"
        self._link.sendall(mqtt.subscribe(mqtt.MQTT_3_1_1, 1, f"{wiring.CARS_MQTT}/#", qos=0))
        assert self._link.recv(5) == b"\x90\x03\x00\x01\x00"
        self._link.settimeout(None)
        self._chunks: list[tuple[float, bytes]] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while data := self._link.recv(READ_BYTES):
            self._chunks.append((time.time(), data))

    def close(self) -> None:
        """Wait until nothing more comes, and leave."""
        wait_until(
            "no more messages come", lambda: not self._chunks or time.time() - self._chunks[-1][0] > STILL_S, WITHIN_S, 0.2
        )
        self._link.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._link.close()

    def readings(self) -> Iterator[tuple[Reading, float]]:
        """What came, each with the time of its arrival in s since 1970."""
        stream, decoder = Stream(mqtt.LONGEST), msgspec.json.Decoder(Reading)
        for arrived_s, chunk in self._chunks:
            stream.feed(chunk)
            for first, _, _, payload in stream.take(READ_BYTES):
                assert first & 0xF0 == PUBLISH, first
                yield decoder.decode(payload), arrived_s
