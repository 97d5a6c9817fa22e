"""Our simulated cars beside those that a script of paho-mqtt makes, on the same kind of Mosquitto: `./lab bench fleet`.

Cars connect as fast as they can, then publish with QoS 1 at a steady rate; messages a second, the times and what is lost are
those of a subscriber. The cores and the memory are the simulator's; memory a car is what all of them need more than one alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
from fleet.limits import raise_files

from infra.lab.paths import ROOT
from tests.bench import report
from tests.bench.cars import QUICKLY, Cars
from tests.bench.meter import Meter
from tests.bench.run import asked, run
from tests.bench.servers import without_limit
from tests.bench.subscriber import Reading, Subscriber
from tests.support.apps import fleet
from tests.support.brokers import PASSWORDS, Mosquitto
from tests.support.processes import Process

CARS, MOST_CARS = 2_000, 6_000
FILES_A_CAR = 3  # paho-mqtt has a pair of sockets for each client beside its connection; a process may have 20,000 here
INTERVAL_S = 0.5
WARM_UP_S, PACED_S = 3.0, 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender works; `folder` is its own."""

    mosquitto: Mosquitto
    folder: Path
    cars: int
    interval_s: float


def ours(place: Place) -> Process:
    """The app of this checkout, without the truth of its cars; it may connect as many a second as it can."""
    return fleet(place.folder, place.mosquitto, place.cars, place.interval_s, **QUICKLY)


def paho(place: Place) -> Process:
    """What people write where one client is too few."""
    told = (place.mosquitto.port, "fleet", PASSWORDS["fleet"], place.cars, place.interval_s)
    env = {"PYTHONPATH": f"{ROOT}:{ROOT / 'apps'}"}
    return Process("peer", [sys.executable, "-m", "tests.bench.peers.paho_fleet", *map(str, told)], place.folder, env)


Start = Callable[[Place], Process]
CONTENDERS: dict[str, Start] = {"fleet": ours, "paho-mqtt": paho}


@dataclass(frozen=True, slots=True)
class Drive:
    """What a simulator did in the seconds that count, and in all how many messages were acknowledged to it."""

    connects_s: float
    from_s: float  # since 1970
    took_s: float
    cores: float
    memory_mb: float
    acked: int


def _drive(start: Start, place: Place, seconds: float) -> Drive:
    with ExitStack() as stack:
        simulator = start(place)
        cars = Cars(stack, simulator, [place.mosquitto], place.cars)
        time.sleep(WARM_UP_S)
        from_s, meter = time.time(), Meter([simulator])
        time.sleep(seconds)
        took_s, cores = meter.read()
        memory_mb = psutil.Process(simulator.pid).memory_info().rss / 1e6
        return Drive(cars.connects_s, from_s, took_s, cores, memory_mb, cars.stop())


def _mosquitto(stack: ExitStack, folder: Path) -> Mosquitto:
    folder.mkdir()
    made = without_limit(folder)
    stack.callback(made.close)
    made.start()
    return made


def measure(start: Start, cars: int, folder: Path, seconds: float = PACED_S) -> report.Result:
    """Have one contender drive one car, for its memory, and then all."""
    with ExitStack() as stack:
        alone = _drive(start, Place(_mosquitto(stack, folder / "alone"), folder, 1, INTERVAL_S), 0.5)
        mosquitto = _mosquitto(stack, folder / "all")
        subscriber = Subscriber(mosquitto.port)
        drive = _drive(start, Place(mosquitto, folder, cars, INTERVAL_S), seconds)
        subscriber.close()
    return counted(list(subscriber.readings()), drive, (drive.memory_mb - alone.memory_mb) * 1000 / max(1, cars - 1))


def counted(come: list[tuple[Reading, float]], drive: Drive, car_kb: float) -> report.Result:
    """The report; a reading with the same car and time as another is the same."""
    seen = {(reading.car, reading.time) for reading, _ in come}
    until_s = drive.from_s + drive.took_s
    arrived = sum(drive.from_s <= arrived_s < until_s for _, arrived_s in come)
    times_ms = [(arrived_s - reading.time) * 1000 for reading, arrived_s in come if drive.from_s <= reading.time < until_s]
    more = {"connects_s": round(drive.connects_s), "memory_kb_a_car": round(car_kb, 1)}
    lost, duplicated = max(0, drive.acked - len(seen)), len(come) - len(seen)
    return report.Result.of(arrived / drive.took_s, drive.cores, times_ms, lost, duplicated, **more)


if __name__ == "__main__":
    wanted = asked(CONTENDERS, CARS, MOST_CARS)
    raise_files(FILES_A_CAR * wanted.cars)
    run(
        wanted,
        lambda name, folder: measure(CONTENDERS[name], wanted.cars, folder),
        {"cars": wanted.cars, "interval_s": INTERVAL_S, "paced_s": PACED_S, "qos": 1},
    )
