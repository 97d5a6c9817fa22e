"""What the clients of a scenario send, by kind: the readings of cars, boards and fans, or the scenario's own message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from telemetry.car import encode_json

from fleet.board import Board
from fleet.cars import Cars, Traits
from fleet.fan import Fan
from fleet.readings import readings
from fleet.scenario.plan import Lane
from fleet.wear import USUAL_FAILURES_PER_HOUR


class Payloads(Protocol):
    """What some clients of one group send."""

    def take(self, places: Sequence[int], time_s: float) -> Iterator[bytes]:
        """The next one of each of these clients (none twice), at `time_s`; use up the iterator."""


class _OfCars:
    """As the fleet's cars."""

    def __init__(self, lane: Lane, indices: range, seed: int) -> None:
        first = lane.group.first
        self._names = [lane.group.client_id(index) for index in indices]
        traits = Traits(seed, lane.publish.interval_s, USUAL_FAILURES_PER_HOUR)
        self._cars = Cars(range(first + indices.start, first + indices.stop), traits)

    def take(self, places: Sequence[int], time_s: float) -> Iterator[bytes]:
        moment = self._cars.live(np.asarray(places, dtype=np.intp))
        for reading in readings([self._names[place] for place in places], moment.seen, time_s):
            yield encode_json(reading)


class _OfBoards:
    """The sensor's line of each board and nothing else: an alert would start a process for each of thousands of them."""

    def __init__(self, lane: Lane, indices: range, seed: int) -> None:
        first = lane.group.first
        self._interval_s = lane.publish.interval_s
        self._boards = [Board(lane.group.client_id(index), first + index, seed, 0.0) for index in indices]

    def take(self, places: Sequence[int], time_s: float) -> Iterator[bytes]:
        del time_s  # boards have no clock
        for place in places:
            yield next(payload for kind, payload in self._boards[place].messages(self._interval_s) if kind == "sensor")


class _OfFans:
    """As the fleet's fans."""

    def __init__(self, lane: Lane, indices: range, seed: int) -> None:
        first = lane.group.first
        self._interval_s = lane.publish.interval_s
        self._fans = [Fan(lane.group.client_id(index), first + index, seed) for index in indices]

    def take(self, places: Sequence[int], time_s: float) -> Iterator[bytes]:
        for place in places:
            yield self._fans[place].reading(self._interval_s, time_s)


class _Plain:
    """The same message from everybody."""

    def __init__(self, lane: Lane) -> None:
        self._message = lane.publish.message.encode()

    def take(self, places: Sequence[int], time_s: float) -> Iterator[bytes]:
        del time_s
        for _ in places:
            yield self._message


def payloads(lane: Lane, indices: range, seed: int) -> Payloads:
    """Those of the clients `indices` of a lane; places count from the first of them."""
    match lane.group.kind:
        case "car":
            return _OfCars(lane, indices, seed)
        case "iotkit":
            return _OfBoards(lane, indices, seed)
        case "fan":
            return _OfFans(lane, indices, seed)
        case "plain":
            return _Plain(lane)
