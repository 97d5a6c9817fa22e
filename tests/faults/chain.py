"""Cars -> Mosquitto -> bridge -> Kafka, with the chart's settings of Mosquitto and a ledger at both ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from infra import wiring
from infra.lab.paths import ROOT
from tests.faults.sizes import SIZE
from tests.support.apps import App, bridge, running
from tests.support.brokers import Kafka, Mosquitto
from tests.support.ledger import Account, Stored, reading
from tests.support.processes import wait_until
from tests.support.traffic import Traffic, traffic

CHARTED = yaml.safe_load((ROOT / "charts/mosquitto/values.yaml").read_text())
AUTOSAVE_S: int = CHARTED["autosaveS"]
WARM_UP_S = 1.0
LATE_S = 0.2  # what is on its way while all is well


def as_charted(**changed: str | int) -> dict[str, str | int]:
    """Lines of Mosquitto's configuration, as its chart writes them."""
    return {
        "autosave_interval": AUTOSAVE_S,
        "max_inflight_messages": CHARTED["maxInflightMessages"],
        "max_queued_messages": CHARTED["maxQueuedMessages"],
        "max_packet_size": CHARTED["maxPacketBytes"],
        "sys_interval": 1,
    } | changed


class Chain:
    """One bridge between brokers, with topics that no other test has."""

    def __init__(self, mosquitto: Mosquitto, kafka: Kafka, folder: Path, *, by_detour: bool = False, **more: str) -> None:
        """`by_detour` sends the bridge to the port where a proxy may stand; `more` are its settings."""
        self.mosquitto = mosquitto
        self.kafka = kafka
        self.topic = kafka.topic("sensor-data", settings={"message.timestamp.type": "LogAppendTime"})
        self.dead = kafka.topic("dead-letter", 1)
        self._address = kafka.by_detour if by_detour else kafka.address
        self._more = more
        self.app = self.bridge(folder)

    def bridge(self, folder: Path) -> App:
        """One with the chain's session and topics; it does not run yet."""
        topics = {wiring.SENSOR_DATA.name: self.topic}
        return bridge(folder, self.mosquitto, self._address, topics, self.dead, **self._more)

    @contextmanager
    def flowing(self, *, rate: float = SIZE.rate) -> Iterator[tuple[Traffic, Stored]]:
        """The bridge and cars at work, and Kafka read along; all that came so far is there when the body begins."""
        with (
            running(self.app),
            traffic(self.mosquitto, cars=SIZE.cars, rate=rate) as cars,
            reading(self.kafka.address, [self.topic, self.dead], cars.run) as stored,
        ):
            time.sleep(WARM_UP_S)
            self.catch_up(cars, stored)
            yield cars, stored

    @staticmethod
    def catch_up(cars: Traffic, stored: Stored, timeout_s: float = 60.0) -> float:
        """Wait until Kafka has all but what is on its way; how long it took, seconds."""
        begun_s = time.monotonic()
        wait_until(
            "Kafka has what the cars were told is kept",
            lambda: cars.acknowledged - stored.read() <= cars.rate * LATE_S,
            timeout_s,
        )
        return time.monotonic() - begun_s

    def settled(self, cars: Traffic, stored: Stored) -> Account:
        """Let the cars finish; what became of everything."""
        time.sleep(WARM_UP_S)
        cars.stop()
        return stored.account(cars)


def nothing_lost(account: Account) -> None:
    """All that was acknowledged to the cars is in Kafka, and of each car in its order."""
    assert account.sent == account.acknowledged > 100
    assert account.lost == 0
    assert account.disordered == 0


def in_time(what: str, took_s: float, limit_s: float) -> str:
    """The figure to be printed; its limit is asserted only in the full size, as a busy machine is no fault of the bridge."""
    assert took_s < limit_s or not SIZE.timed, f"{what} took {took_s:.1f} s, and {limit_s:g} s are the limit"
    return f"{what} {took_s:.1f} s"
