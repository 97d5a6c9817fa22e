"""The bridge beside its peers, one after another on the same brokers: `./lab bench bridge` (`--json`).

Each gets a Mosquitto and topics of its own. First a flood: publishers that never let Mosquitto's queue run empty nor over; then
a steady load, for the time from a car to Kafka. What Kafka holds is compared with what Mosquitto has acknowledged to the cars.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from infra.lab.paths import ROOT
from tests.bench import report
from tests.bench.contenders import CONTENDERS, Place, wait_for_subscription
from tests.bench.meter import Meter
from tests.bench.run import asked, one_kafka, run
from tests.bench.servers import without_limit
from tests.bench.topics import DRAIN_S, Ends, records, timed_topic
from tests.support.brokers import PASSWORDS, Kafka
from tests.support.processes import Process, wait_until

PUBLISHERS, CARS = 2, 5  # processes, and connections of each
FLOODING, PACED = 1, 101  # numbers of their first cars
AHEAD = 40_000  # messages that may wait in Mosquitto
FLOOD_S, WARM_UP_S = 15.0, 3.0
PACED_S, PACED_MSG_S = 20.0, 3_333


class Publishers:
    """Processes of cars; they may be `AHEAD` messages ahead of Kafka."""

    def __init__(self, port: int, first: int, rate: float, stored: Callable[[], int]) -> None:
        """Connects cars from number `first` on; nothing is sent before `run`."""
        base = [sys.executable, "-m", "tests.bench.publisher", str(port), "fleet", PASSWORDS["fleet"]]
        self._running = [
            subprocess.Popen(
                [*base, str(first + CARS * number), str(CARS), str(rate / PUBLISHERS)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
                env={"PYTHONPATH": f"{ROOT}:{ROOT / 'apps'}", "PATH": "/usr/bin:/bin"},
            )
            for number in range(PUBLISHERS)
        ]
        self._stored = stored
        self.before = stored()
        for each in self._running:
            assert each.stdout is not None
            assert each.stdout.readline() == "connected\n"

    def _tell(self, line: str) -> None:
        for each in self._running:
            assert each.stdin is not None
            each.stdin.write(f"{line}\n")

    def run(self, seconds: float) -> None:
        """Let them publish."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self._tell(str((self._stored() - self.before + AHEAD) // PUBLISHERS))
            time.sleep(0.02)

    def stop(self) -> dict[str, tuple[int, int]]:
        """Sent and acknowledged, by car."""
        self._tell("stop")
        told: dict[str, tuple[int, int]] = {}
        for each in self._running:
            output, _ = each.communicate(timeout=60.0)
            told |= {car: (sent, acked) for car, (sent, acked) in json.loads(output).items()}
        return told

    def close(self) -> None:
        """End whoever still runs."""
        for each in self._running:
            if each.poll() is None:
                each.kill()
                each.wait()


class Found:
    """What a topic holds: by car how often each sequence number, and how long the paced cars' messages took."""

    def __init__(self, told: dict[str, tuple[int, int]]) -> None:
        """`told` is what each car has sent, and of that what was acknowledged."""
        self._told = told
        self._counts = {car: bytearray(sent) for car, (sent, _) in told.items()}
        self.paced_ms: list[float] = []

    def read(self, kafka: Kafka, topic: str, count: int) -> None:
        """Read the whole topic, which holds `count` records; the time of a record is that of Kafka's log."""
        for record in records(kafka, topic, count):
            self._add((record.key() or b"").decode().rpartition("/")[2], record.timestamp()[1], record.value() or b"")

    def _add(self, car: str, stored_ms: int, value: bytes) -> None:
        told = json.loads(value)
        counts, sequence = self._counts[car], int(told["sequence"])
        counts[sequence] = min(255, counts[sequence] + 1)
        if int(car.rpartition("-")[2]) >= PACED:
            self.paced_ms.append(stored_ms - int(told["sent_ns"]) / 1e6)

    @property
    def lost(self) -> int:
        """Acknowledged and not there: a car's are acknowledged in order."""
        return sum(self._counts[car][:acked].count(0) for car, (_, acked) in self._told.items())

    @property
    def duplicated(self) -> int:
        """There more than once, counted by the copies."""
        return sum(sum(counts) - len(counts) + counts.count(0) for counts in self._counts.values())


def _flood(place: Place, carrier: Process, ends: Ends) -> tuple[dict[str, tuple[int, int]], float, float]:
    """What was sent; messages a second that reached Kafka; cores that the carrier took meanwhile."""
    with closing(Publishers(place.mosquitto.port, FLOODING, 0.0, ends.count)) as publishers:
        publishers.run(WARM_UP_S)
        before, meter = ends.count(), Meter([carrier])
        publishers.run(FLOOD_S)
        count = ends.count() - before
        took_s, cores = meter.read()
        told = publishers.stop()
    _drained(ends, publishers.before, told)
    return told, count / took_s, cores


def _paced(place: Place, ends: Ends) -> dict[str, tuple[int, int]]:
    with closing(Publishers(place.mosquitto.port, PACED, PACED_MSG_S, ends.count)) as publishers:
        publishers.run(PACED_S)
        told = publishers.stop()
    _drained(ends, publishers.before, told)
    return told


def _drained(ends: Ends, before: int, told: dict[str, tuple[int, int]]) -> None:
    acked = sum(each for _, each in told.values())
    wait_until("Kafka has what was acknowledged", lambda: ends.count() - before >= acked, DRAIN_S, 0.2)


def measure(start: Callable[[Place], Process], kafka: Kafka, folder: Path) -> report.Result:
    """Have one contender carry a flood, then a steady load."""
    with ExitStack() as stack:
        mosquitto = without_limit(folder)
        stack.callback(mosquitto.close)
        mosquitto.start()
        topic = timed_topic(kafka)
        place = Place(mosquitto, kafka, topic, kafka.topic("bench-dead", 1), folder)
        carrier = start(place)
        stack.callback(carrier.close)
        carrier.start()
        wait_for_subscription(mosquitto, carrier)
        ends = Ends(kafka, topic)
        stack.callback(ends.close)
        wait_until("Kafka serves the topic", ends.told, 60.0)
        told, msg_s, cores = _flood(place, carrier, ends)
        told |= _paced(place, ends)
        found = Found(told)
        found.read(kafka, topic, ends.count())
    return report.Result.of(msg_s, cores, found.paced_ms, found.lost, found.duplicated)


if __name__ == "__main__":
    wanted = asked(CONTENDERS, PUBLISHERS * CARS)
    load = {"payload_bytes": 530, "qos": 1, "flood_s": FLOOD_S, "paced_s": PACED_S, "paced_msg_s": PACED_MSG_S}
    with one_kafka() as kafka:
        run(wanted, lambda name, folder: measure(CONTENDERS[name], kafka, folder), load | {"cars": wanted.cars})
