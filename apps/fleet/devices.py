"""The kinds of devices, all alike to the engine: a name, and what is to be published when its time has come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from telemetry.car import encode_json

from fleet.board import Board
from fleet.car import Car
from fleet.fan import Fan
from fleet.settings import FleetSettings


@dataclass(frozen=True, slots=True)
class Publication:
    """One message."""

    topic: str
    payload: bytes
    qos: int


class Device(Protocol):
    """One device; its name is its MQTT client id."""

    @property
    def name(self) -> str:
        """The client id."""

    def publications(self, seconds: float, time_s: float) -> Iterator[Publication]:
        """What it publishes after `seconds`, at `time_s`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Devices of one kind; each publishes every `interval_s`."""

    name: str
    devices: Sequence[Device]
    interval_s: float


@dataclass(frozen=True, slots=True)
class PublishingCar:
    """A car on its own topic."""

    car: Car
    topic: str
    qos: int

    @property
    def name(self) -> str:
        """The client id."""
        return self.car.name

    def publications(self, seconds: float, time_s: float) -> Iterator[Publication]:
        """One reading."""
        self.car.drive(seconds)
        yield Publication(f"{self.topic}/{self.car.name}", encode_json(self.car.reading(time_s)), self.qos)


@dataclass(frozen=True, slots=True)
class PublishingBoard:
    """A board on `<topic>/<its name>/<kind>`; boards publish with QoS 0."""

    board: Board
    topic: str

    @property
    def name(self) -> str:
        """The client id."""
        return self.board.name

    def publications(self, seconds: float, time_s: float) -> Iterator[Publication]:
        """A sensor's line, and what else happens."""
        del time_s  # boards have no clock
        for kind, payload in self.board.messages(seconds):
            yield Publication(f"{self.topic}/{self.board.name}/{kind}", payload, 0)


@dataclass(frozen=True, slots=True)
class PublishingFan:
    """A fan on the topic that all fans share."""

    fan: Fan
    topic: str

    @property
    def name(self) -> str:
        """The client id."""
        return self.fan.name

    def publications(self, seconds: float, time_s: float) -> Iterator[Publication]:
        """One reading."""
        yield Publication(self.topic, self.fan.reading(seconds, time_s), 0)


def kinds(settings: FleetSettings) -> list[Kind]:
    """The fleet of these settings."""
    numbers = range(settings.first, settings.first + settings.cars)
    cars = [
        Car(settings.client_id.format(number=number), number, settings.seed, settings.failures_per_hour) for number in numbers
    ]
    boards = [
        Board(
            settings.iotkit_client_id.format(high=number >> 8, low=number & 255),
            number,
            settings.seed,
            settings.abnormal_per_hour,
        )
        for number in range(1, settings.iotkit + 1)
    ]
    fans = [Fan(settings.fan_client_id.format(number=number), number, settings.seed) for number in range(1, settings.fans + 1)]
    found = (
        Kind("car", [PublishingCar(car, settings.topic, settings.qos) for car in cars], settings.interval_s),
        Kind("iotkit", [PublishingBoard(board, settings.iotkit_topic) for board in boards], settings.iotkit_interval_s),
        Kind("fan", [PublishingFan(fan, settings.fan_topic) for fan in fans], settings.fan_interval_s),
    )
    return [kind for kind in found if kind.devices]
