"""What Grafana's panels ask is answered by the lab's InfluxDB, whether Grafana itself runs or not."""

from __future__ import annotations

import time

import pytest

from infra.lab.influx import Ask, reader
from infra.lab.lab import Lab
from infra.services.dashboards import DASHBOARDS, Asked, Dashboard, queries
from tests.support.lab import lab_json, lab_ok

pytestmark = pytest.mark.usefixtures("running")
WITHIN_S = 90.0  # a lab that has just come up has written nothing yet


def _rows(ask: Ask, dashboard: Dashboard, device: str, asked: Asked) -> int:
    return len(ask(asked.database, asked.for_device(dashboard.tag, device)))


def _device(ask: Ask, dashboard: Dashboard) -> str:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        found = [str(row["value"]) for row in ask(dashboard.series.database, dashboard.devices)]
        for device in found:
            first = next(asked for other, _, asked in queries() if other is dashboard)
            if _rows(ask, dashboard, device, first):
                return device
        time.sleep(1.0)
    raise AssertionError(f"no device of the dashboard {dashboard.uid} has written within {WITHIN_S:.0f} s")


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_every_panel_gets_rows_of_a_real_device(dashboard: Dashboard) -> None:
    with reader(Lab()) as ask:
        device = _device(ask, dashboard)
        for panel in dashboard.panels:
            asked = [query for other, one, query in queries() if other is dashboard and one is panel]
            rows = {query.text: _rows(ask, dashboard, device, query) for query in asked}  # each has to be understood
            assert any(rows.values()), f"{dashboard.uid}, {panel.title}, {device}: {rows}"


def test_a_grafana_that_is_left_out_is_named_in_one_sentence_and_nothing_is_red() -> None:
    settings = Lab().settings
    if "grafana" not in settings.asked:
        assert lab_json("status")["left_out"] == {}
        return
    said = lab_json("status")
    assert said["ok"], said
    assert set(said["left_out"]) == set(settings.left_out)
    for sentence in said["left_out"].values():
        assert sentence in lab_ok("status")
        assert sentence in lab_ok("doctor")
