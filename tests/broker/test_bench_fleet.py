"""The bench of fleets with few cars: who simulates them, what was acknowledged came, once, and the report has its figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import fleet

CARS = 20


@pytest.mark.parametrize("name", fleet.CONTENDERS)
def test_every_message_of_a_contenders_cars_is_counted_once(name: str, tmp_path: Path) -> None:
    found = fleet.measure(fleet.CONTENDERS[name], CARS, tmp_path, seconds=2.0)
    assert (found.lost, found.duplicated) == (0, 0)
    assert found.msg_s > 0
    assert found.p50_ms > 0.0
    assert set(found.more) == {"connects_s", "memory_kb_a_car"}
    assert found.more["connects_s"] > 0
