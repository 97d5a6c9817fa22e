"""The herds of a fleet: cars, boards and fans behind one face; see fleet.herd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from telemetry import truth as truths
from telemetry.car import encode_json

from fleet.board import Board
from fleet.cars import Cars, Moment, Traits
from fleet.fan import Fan
from fleet.herd import Herd, Publication
from fleet.readings import readings, truth
from fleet.settings import FleetSettings


class CarHerd:
    """Cars, each on topics of its own: all readings, and its truth seldom, right behind a reading.

    One core makes and encodes 120,000 readings a second in batches of 100, 180,000 in batches of 1,000 and 30,000 in batches of
    10 (2026-11-26, of 16,667 cars, interval 10 s): whoever calls should wait until some are due.
    """

    name: Final = "car"

    def __init__(self, numbers: range, settings: FleetSettings) -> None:
        """`numbers` of the cars; without a topic for truths, none is told."""
        self.names: Sequence[str] = [settings.client_id.format(number=number) for number in numbers]
        self.interval_s = settings.interval_s
        traits = Traits(settings.seed, settings.interval_s, settings.failures_per_hour, settings.failure_rates)
        self._cars = Cars(numbers, traits)
        self._topics = [f"{settings.topic}/{name}" for name in self.names]
        self._truth_topic = settings.truth_topic
        self._qos = settings.qos

    def publications(self, indices: Sequence[int], time_s: float) -> Iterator[tuple[int, Publication]]:
        """One reading of each, and the truths that are due."""
        moment = self._cars.live(np.asarray(indices, dtype=np.intp))
        return self._published(indices, moment, time_s)

    def _published(self, indices: Sequence[int], moment: Moment, time_s: float) -> Iterator[tuple[int, Publication]]:
        names, topics, qos = self.names, self._topics, self._qos
        due = set(moment.due.tolist()) if self._truth_topic else ()
        found = readings([names[index] for index in indices], moment.seen, time_s)
        for place, (index, reading) in enumerate(zip(indices, found, strict=True)):
            yield index, Publication(topics[index], encode_json(reading), qos)
            if place in due:
                told = truth(names[index], moment.state, place, time_s)
                yield index, Publication(f"{self._truth_topic}/{names[index]}", truths.encode(told), qos)


@dataclass(frozen=True, slots=True)
class BoardHerd:
    """Boards, each on `<topic>/<its name>/<kind>`; boards publish with QoS 0."""

    boards: Sequence[Board]
    topic: str
    interval_s: float
    name: str = "iotkit"

    @property
    def names(self) -> Sequence[str]:
        """The client ids."""
        return [board.name for board in self.boards]

    def publications(self, indices: Sequence[int], time_s: float) -> Iterator[tuple[int, Publication]]:
        """A sensor's line of each, and what else happens."""
        del time_s  # boards have no clock
        for index in indices:
            board = self.boards[index]
            for kind, payload in board.messages(self.interval_s):
                yield index, Publication(f"{self.topic}/{board.name}/{kind}", payload, 0)


@dataclass(frozen=True, slots=True)
class FanHerd:
    """Fans, all on one topic; fans publish with QoS 0."""

    fans: Sequence[Fan]
    topic: str
    interval_s: float
    name: str = "fan"

    @property
    def names(self) -> Sequence[str]:
        """The client ids."""
        return [fan.name for fan in self.fans]

    def publications(self, indices: Sequence[int], time_s: float) -> Iterator[tuple[int, Publication]]:
        """One reading of each."""
        for index in indices:
            yield index, Publication(self.topic, self.fans[index].reading(self.interval_s, time_s), 0)


def _boards(settings: FleetSettings) -> list[Board]:
    ids = settings.iotkit_client_id
    return [
        Board(ids.format(high=number >> 8, low=number & 255), number, settings.seed, settings.abnormal_per_hour)
        for number in range(1, settings.iotkit + 1)
    ]


def _fans(settings: FleetSettings) -> list[Fan]:
    return [Fan(settings.fan_client_id.format(number=number), number, settings.seed) for number in range(1, settings.fans + 1)]


def herds(settings: FleetSettings) -> list[Herd]:
    """The fleet of these settings; kinds without devices are left out."""
    found: tuple[Herd, ...] = (
        CarHerd(range(settings.first, settings.first + settings.cars), settings),
        BoardHerd(_boards(settings), settings.iotkit_topic, settings.iotkit_interval_s),
        FanHerd(_fans(settings), settings.fan_topic, settings.fan_interval_s),
    )
    return [herd for herd in found if herd.names]
