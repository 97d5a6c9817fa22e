"""Cars on one thread, whose every message carries (car, sequence, run) and is sent with QoS 1 until it is acknowledged.

They are no fleet: they remember which message was acknowledged when, which the fleet only counts.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from runtime import mqtt

from infra import wiring
from tests.support.brokers import PASSWORDS, Mosquitto
from tests.support.processes import wait_until

PAYLOAD_BYTES: Final = 530  # a reading of a car
RETRY_S: Final = 0.3
KEEPALIVE_S: Final = 300  # whoever is silent so long has nothing to send, and no PINGREQ is needed
TURN_S: Final = 0.005
FLYING: Final = 200  # unacknowledged messages of a car that is not held to a rate
ACCEPTED: Final = b"\x20\x02\x00\x00"
_PUBACK, _ANSWER_BYTES = 0x40, 4  # a CONNACK has four bytes, too
_LINE = b'{"car": "%b", "sequence": %d, "run": "%b", "filling": "%b"}'
LOGIN: Final = mqtt.Login(mqtt.MQTT_3_1_1, "fleet", PASSWORDS["fleet"], KEEPALIVE_S)


def payload(car: str, sequence: int, run: str) -> bytes:
    """What a car sends, `PAYLOAD_BYTES` long."""
    bare = _LINE % (car.encode(), sequence, run.encode(), b"")
    return bare[:-2] + b"x" * (PAYLOAD_BYTES - len(bare)) + bare[-2:]


@dataclass
class Car:
    """One car's connection and what became of its messages, numbered from 0 on."""

    name: str
    run: str
    sent: int = 0
    acknowledged: dict[int, float] = field(default_factory=dict)  # by sequence: when, monotonic seconds
    link: socket.socket | None = None
    up: bool = False
    retry_s: float = 0.0
    _out: bytearray = field(default_factory=bytearray)
    _got: bytearray = field(default_factory=bytearray)
    _waiting: dict[int, tuple[int, bytes]] = field(default_factory=dict)  # by packet id, oldest first

    @property
    def waiting(self) -> int:
        """Messages that are not acknowledged."""
        return len(self._waiting)

    @property
    def writes(self) -> bool:
        """Whether something waits for the kernel's room."""
        return bool(self._out)

    def publish(self, sequence: int | None = None) -> None:
        """Send the next message, or an old one again; it waits while there is no connection."""
        number = self.sent if sequence is None else sequence
        self.sent = max(self.sent, number + 1)
        packet_id = number % mqtt.HIGHEST_ID + 1
        body = payload(self.name, number, self.run)
        packet = mqtt.publish(mqtt.MQTT_3_1_1, f"{wiring.CARS_MQTT}/{self.name}", body, packet_id)
        self._waiting[packet_id] = (number, packet)
        if self.up:
            self._out += packet

    def connect(self, port: int) -> bool:
        """Try it; the login goes out at once."""
        self.retry_s = time.monotonic() + RETRY_S
        try:
            self.link = socket.create_connection(("127.0.0.1", port), 1.0)
        except OSError:
            return False
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.link.settimeout(0.0)
        self._got.clear()
        self._out[:] = mqtt.connect(self.name, LOGIN)
        return True

    def lose(self) -> None:
        """The connection is gone; what is not acknowledged goes again in the next."""
        if self.link is not None:
            self.link.close()
        self.link, self.up = None, False
        self._waiting = {number: (which, mqtt.again(packet)) for number, (which, packet) in self._waiting.items()}

    def flush(self) -> None:
        """Write what the kernel takes."""
        if self.link is not None and self._out:
            try:
                del self._out[: self.link.send(self._out)]
            except BlockingIOError:
                return

    def read(self) -> None:
        """Take acknowledgements."""
        assert self.link is not None
        got = self.link.recv(65_536)
        if not got:
            raise ConnectionError(self.name)
        self._got += got
        now_s = time.monotonic()
        whole = len(self._got) - len(self._got) % _ANSWER_BYTES
        for place in range(0, whole, _ANSWER_BYTES):
            answer = bytes(self._got[place : place + _ANSWER_BYTES])
            if answer == ACCEPTED:
                self.up = True
                for _, packet in self._waiting.values():
                    self._out += packet
            else:
                assert answer[0] == _PUBACK, answer.hex()
                number, _ = self._waiting.pop(int.from_bytes(answer[2:], "big"))
                self.acknowledged[number] = now_s
        del self._got[:whole]


class Traffic:
    """Cars that publish `rate` messages a second together, or `most` as fast as they are acknowledged."""

    def __init__(self, mosquitto: Mosquitto, cars: int, rate: float, most: int | None, first: int) -> None:
        """Nothing connects before `start`; the first car has the number `first`."""
        self.run = f"{time.time_ns():x}"
        self.cars = [Car(wiring.CAR_CLIENT_ID.format(number=number), self.run) for number in range(first, first + cars)]
        self.rate = rate
        self._port = mosquitto.port
        self._most = most
        self._selector = selectors.DefaultSelector()
        self._publishing, self._ended = threading.Event(), threading.Event()
        self._errands: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._work, daemon=True)

    @property
    def sent(self) -> int:
        """Messages made."""
        return sum(car.sent for car in self.cars)

    @property
    def acknowledged(self) -> int:
        """Of these, those that the broker has promised to keep."""
        return sum(len(car.acknowledged) for car in self.cars)

    @property
    def waiting(self) -> int:
        """The others."""
        return sum(car.waiting for car in self.cars)

    def start(self) -> None:
        """Connect and publish."""
        self._publishing.set()
        self._thread.start()
        wait_until("the cars are connected", lambda: all(car.up for car in self.cars))

    def stop(self, timeout_s: float = 60.0) -> None:
        """Publish no more, and wait until all that was sent is acknowledged."""
        self._publishing.clear()
        wait_until("all messages are acknowledged", lambda: not self.waiting, timeout_s)

    def replay(self, since_s: float) -> None:
        """Have the cars send again what was acknowledged after `since_s`, as devices do that see no effect of a reading."""
        done = threading.Event()

        def again() -> None:
            for car in self.cars:
                for sequence in [each for each, at_s in car.acknowledged.items() if at_s >= since_s]:
                    car.publish(sequence)
            done.set()

        self._errands.append(again)
        assert done.wait(10.0)

    def close(self) -> None:
        """End it."""
        self._ended.set()
        self._thread.join(10.0)
        for car in self.cars:
            self._lost(car)
        self._selector.close()

    def _work(self) -> None:
        made, begun_s = 0, time.monotonic()
        while not self._ended.is_set():
            now_s = time.monotonic()
            if not self._publishing.is_set():
                begun_s, made = now_s, 0
            while self._errands:
                self._errands.pop()()
            made += self._publish(made, now_s - begun_s)
            for car in self.cars:
                self._care(car, now_s)
            for key, _ in self._selector.select(TURN_S):
                self._served(key.data)

    def _publish(self, made: int, elapsed_s: float) -> int:
        """Send what is due; how many it were."""
        if self._most is None:
            due = int(elapsed_s * self.rate) - made
            for number in range(made, made + due):
                self.cars[number % len(self.cars)].publish()
            return max(0, due)
        count = 0
        for car in self.cars:
            room = min(FLYING - car.waiting, self._most - self.sent) if car.up else 0
            for _ in range(room):
                car.publish()
            count += max(0, room)
        return count

    def _care(self, car: Car, now_s: float) -> None:
        if car.link is None:
            if now_s >= car.retry_s and car.connect(self._port) and car.link is not None:
                self._selector.register(car.link, selectors.EVENT_READ, car)
            return
        try:
            car.flush()
        except OSError:
            self._lost(car)

    def _served(self, car: Car) -> None:
        try:
            car.read()
        except BlockingIOError:
            return
        except OSError:
            self._lost(car)

    def _lost(self, car: Car) -> None:
        if car.link is not None:
            self._selector.unregister(car.link)
        car.lose()


@contextmanager
def traffic(
    mosquitto: Mosquitto, *, cars: int = 10, rate: float = 500.0, most: int | None = None, first: int = 1
) -> Iterator[Traffic]:
    """Running cars; they are disconnected afterwards."""
    running = Traffic(mosquitto, cars, rate, most, first)
    try:
        running.start()
        yield running
    finally:
        running.close()
