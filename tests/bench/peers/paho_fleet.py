"""Cars of paho-mqtt in one process, driven by one event loop as its documentation shows it for many clients.

`python -m tests.bench.peers.paho_fleet PORT USER PASSWORD CARS INTERVAL_S`. SIGTERM ends it; then it says what was sent and
acknowledged. In its favour it computes no car: each sends 530 bytes that are ready but for the time.
"""

from __future__ import annotations

import logging
import selectors
import signal
import socket
import sys
import time
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from infra import wiring

log = logging.getLogger("peer")

PAYLOAD_BYTES = 530
MOST_OPEN = 48  # connects without a CONNACK, as our fleet does: what overflows Mosquitto's backlog waits for seconds
CARE_S = 10.0  # between two looks at keep-alives
KEEPALIVE_S = 60


class Car:
    """One client in the selector of all."""

    def __init__(self, selector: selectors.BaseSelector, number: int, user: str, password: str) -> None:
        """Not connected yet."""
        self.connected = False
        self.sent = self.acked = 0
        name = wiring.CAR_CLIENT_ID.format(number=number)
        self._topic = f"{wiring.CARS_MQTT}/{name}"
        # µs: of a car that catches up, two messages in one ms were one to who counts them by car and time
        head = f'{{"car": "{name}", "time": %.6f, "filling": "'.encode()
        self._payload = head + b"x" * (PAYLOAD_BYTES - len(head % 0.0) - 2) + b'"}'
        self._selector = selector
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=name)
        self.client.username_pw_set(user, password)
        self.client.on_connect = self._on_connect
        self.client.on_publish = self._on_publish
        self.client.on_socket_open = self._open
        self.client.on_socket_close = self._close
        self.client.on_socket_register_write = lambda _c, _d, link: self._watch(link, selectors.EVENT_WRITE)
        self.client.on_socket_unregister_write = lambda _c, _d, link: self._watch(link, 0)

    def _open(self, _client: Client, _data: Any, link: Any) -> None:
        self._selector.register(link, selectors.EVENT_READ, self)

    def _close(self, _client: Client, _data: Any, link: Any) -> None:
        self._selector.unregister(link)

    def _watch(self, link: Any, more: int) -> None:
        self._selector.modify(link, selectors.EVENT_READ | more, self)

    def _on_connect(self, *_told: Any) -> None:
        self.connected = True

    def _on_publish(self, *_told: Any) -> None:
        self.acked += 1

    def connect(self, port: int) -> None:
        """TCP, and CONNECT on its way."""
        self.client.connect("127.0.0.1", port, KEEPALIVE_S)
        link = self.client.socket()
        if isinstance(link, socket.socket):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def publish(self) -> None:
        """One message of QoS 1."""
        self.client.publish(self._topic, self._payload % time.time(), 1)
        self.sent += 1

    def serve(self, events: int) -> None:
        """Read and write what the selector has found."""
        if events & selectors.EVENT_READ:
            self.client.loop_read()
        if events & selectors.EVENT_WRITE:
            self.client.loop_write()


class Fleet:
    """All cars."""

    def __init__(self, cars: int, user: str, password: str) -> None:
        """None is connected yet."""
        self._selector = selectors.DefaultSelector()
        self.cars = [Car(self._selector, number, user, password) for number in range(1, cars + 1)]
        self._stopped = False
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, *_told: Any) -> None:
        self._stopped = True

    def _serve(self, wait_s: float) -> None:
        for key, events in self._selector.select(max(0.0, wait_s)):
            key.data.serve(events)

    def connect(self, port: int) -> None:
        """All of them, so many at once."""
        opened: list[Car] = []
        for car in self.cars:
            car.connect(port)
            opened.append(car)
            self._serve(0.0)
            while len(opened := [each for each in opened if not each.connected]) >= MOST_OPEN:
                self._serve(0.1)
        while any(not car.connected for car in opened):
            self._serve(0.1)

    def run(self, interval_s: float) -> None:
        """Each car publishes once in an interval, evenly spread, until the signal; one that is late publishes late."""
        sent, begun_s, care_s, step_s = 0, time.monotonic(), time.monotonic(), interval_s / len(self.cars)
        while not self._stopped:
            now_s = time.monotonic()
            due = min(int((now_s - begun_s) / step_s) - sent, 256)
            for place in range(sent, sent + due):
                self.cars[place % len(self.cars)].publish()
            sent += due
            self._serve(begun_s + (sent + 1) * step_s - time.monotonic())
            if now_s >= care_s + CARE_S:
                care_s = now_s
                for car in self.cars:
                    car.client.loop_misc()

    def drain(self, within_s: float) -> None:
        """Wait for the acknowledgements."""
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s and any(car.acked < car.sent for car in self.cars):
            self._serve(0.1)


def main() -> None:
    """Connect, publish, tell."""
    port, user, password, cars, interval_s = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)
    fleet = Fleet(int(cars), user, password)
    fleet.connect(int(port))
    fleet.run(float(interval_s))
    fleet.drain(20.0)
    log.info("%d sent, %d acknowledged", sum(car.sent for car in fleet.cars), sum(car.acked for car in fleet.cars))


if __name__ == "__main__":
    main()
