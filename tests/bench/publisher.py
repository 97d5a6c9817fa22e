"""Cars that publish with QoS 1 as fast as they are allowed to, from raw packets, so that they are not what a bench measures.

A program of its own: `python -m tests.bench.publisher PORT USER PASSWORD FIRST COUNT RATE`. How many messages it may have sent in
all comes as lines on its standard input, and `stop` ends it; RATE holds it to so many a second, 0 to none. At the end it prints
how many each car has sent and how many of these the broker has acknowledged.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from dataclasses import dataclass, field

from runtime import mqtt

from infra import wiring

PAYLOAD_BYTES = 530  # a reading of a car
UNACKNOWLEDGED = 2_000  # a car has at most so many on the way
BURST = 64  # packets a car writes at once
DRAIN_S = 20.0
_LINE = b'{"sequence": "%09d", "sent_ns": "%019d", "filling": "%b"}'
_FILLING = b"x" * (PAYLOAD_BYTES - len(_LINE % (0, 0, b"")))


@dataclass
class Car:
    """One connection; its messages are numbered from 0 on."""

    name: str
    link: socket.socket
    head: bytes  # of a PUBLISH, up to its packet id
    out: bytearray = field(default_factory=bytearray)
    sent: int = 0
    acked_bytes: int = 0

    @property
    def acked(self) -> int:
        """Messages of which the PUBACK came; Mosquitto sends nothing else."""
        return self.acked_bytes // 4

    def publish(self, count: int) -> int:
        """Send so many if there is room; how many it were."""
        count = min(count, BURST, UNACKNOWLEDGED - self.sent + self.acked)
        if self.out or count <= 0:
            return 0
        now_ns = time.time_ns()
        for sequence in range(self.sent, self.sent + count):
            self.out += self.head + (sequence % mqtt.HIGHEST_ID + 1).to_bytes(2, "big") + _LINE % (sequence, now_ns, _FILLING)
        self.sent += count
        self.flush()
        return count

    def flush(self) -> None:
        """Write what the kernel takes."""
        try:
            del self.out[: self.link.send(self.out)]
        except BlockingIOError:
            return

    def read(self) -> None:
        """Count acknowledgements."""
        got = self.link.recv(65_536)
        if not got:
            sys.exit(f"the broker closed the connection of {self.name}")
        self.acked_bytes += len(got)


def connected(port: int, user: str, password: str, number: int) -> Car:
    """A car that the broker has let in."""
    name = wiring.CAR_CLIENT_ID.format(number=number)
    link = socket.create_connection(("127.0.0.1", port), 10.0)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.sendall(mqtt.connect(name, mqtt.Login(mqtt.MQTT_3_1_1, user, password, 0)))
    answer = link.recv(4)
    if answer != b"\x20\x02\x00\x00":
        sys.exit(f"the broker answers {name} with {answer.hex()}")
    link.settimeout(0.0)
    whole = mqtt.publish(mqtt.MQTT_3_1_1, f"{wiring.CARS_MQTT}/{name}", b"x" * PAYLOAD_BYTES, 1)
    return Car(name, link, whole[: -PAYLOAD_BYTES - 2])


def publish(cars: list[Car], rate: float) -> None:
    """Publish what is allowed until told to stop."""
    allowed, sent, begun_s, told = 0, 0, time.monotonic(), b""
    while True:
        due = min(allowed, int((time.monotonic() - begun_s) * rate)) if rate else allowed
        for car in cars:
            sent += car.publish(min(due - sent, 1 if rate else BURST))
        writes = [car.link for car in cars if car.out]
        wait_s = 0.001 if rate or sent >= allowed or writes else 0.0
        readable, writable, _ = select.select([sys.stdin, *(car.link for car in cars)], writes, [], wait_s)
        for car in cars:
            if car.link in writable:
                car.flush()
            if car.link in readable:
                car.read()
        if sys.stdin in readable:
            told += os.read(sys.stdin.fileno(), 65_536)
            *lines, told = told.split(b"\n")
            if b"stop" in lines:
                return
            allowed = int(lines[-1]) if lines else allowed


def drain(cars: list[Car]) -> None:
    """Wait for the acknowledgements of what was sent."""
    until_s = time.monotonic() + DRAIN_S
    while time.monotonic() < until_s and any(car.acked < car.sent for car in cars):
        writes = [car.link for car in cars if car.out]
        readable, writable, _ = select.select([car.link for car in cars], writes, [], 0.1)
        for car in cars:
            if car.link in writable:
                car.flush()
            if car.link in readable:
                car.read()


def main() -> None:
    """Connect, publish, tell."""
    port, user, password, first, count, rate = sys.argv[1:]
    cars = [connected(int(port), user, password, int(first) + each) for each in range(int(count))]
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    publish(cars, float(rate))
    drain(cars)
    for car in cars:
        car.link.sendall(mqtt.DISCONNECT)
    sys.stdout.write(json.dumps({car.name: [car.sent, car.acked] for car in cars}) + "\n")


if __name__ == "__main__":
    main()
