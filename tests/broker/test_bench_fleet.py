"""The bench of fleets with few cars: who simulates them, what was acknowledged came, once, and the report has its figures."""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from tests.bench import fleet
from tests.support.processes import Process

CARS = 20


@pytest.mark.parametrize("name", fleet.CONTENDERS)
def test_every_message_of_a_contenders_cars_is_counted_once(name: str, tmp_path: Path) -> None:
    found = fleet.measure(fleet.CONTENDERS[name], CARS, tmp_path, seconds=2.0)
    assert (found.lost, found.duplicated) == (0, 0)
    assert found.msg_s > 0
    assert found.p50_ms > 0.0
    assert set(found.more) == {"connects_s", "memory_kb_a_car"}
    assert found.more["connects_s"] > 0


@pytest.mark.parametrize("name", fleet.CONTENDERS)
def test_of_cars_that_catch_up_every_message_is_one_of_its_own(name: str, tmp_path: Path) -> None:
    """As after a machine's pause: what is late comes at once, several messages of a car in one ms."""

    def pause(simulator: Process) -> None:
        sleep(fleet.WARM_UP_S + 0.5)
        with simulator.stopped():
            sleep(3 * fleet.INTERVAL_S)

    def paused(place: fleet.Place) -> Process:
        simulator = fleet.CONTENDERS[name](place)
        if place.cars == CARS:
            Thread(target=pause, args=[simulator], daemon=True).start()
        return simulator

    found = fleet.measure(paused, CARS, tmp_path, seconds=4.0)
    assert (found.lost, found.duplicated) == (0, 0)
