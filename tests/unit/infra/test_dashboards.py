"""Dashboards as code: complete panels, and queries that name nothing but what is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from telemetry import car
from telemetry.iotkit import SensorReading

from infra import accounts, wiring
from infra.services.dashboards import DASHBOARDS, Dashboard, datasource_uid, queries, rendered

MODULE = Path(__file__).resolve().parents[3] / "infra/services/dashboards.py"
FIELDS = {
    wiring.CARS_DB: set(car.VALUES),
    wiring.IOTKIT_DB: set(SensorReading.__annotations__),
}


@pytest.fixture(params=DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    found: Dashboard = request.param
    return found


def _json(dashboard: Dashboard) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(rendered()[f"{dashboard.uid}.json"])
    return loaded


def test_every_panel_is_a_timeseries_with_title_unit_and_queries(dashboard: Dashboard) -> None:
    panels = _json(dashboard)["panels"]
    assert len(panels) == len(dashboard.panels)
    for panel in panels:
        assert panel["type"] == "timeseries"
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["query"].startswith("SELECT ")
            assert target["rawQuery"] is True
            assert target["alias"]
            assert target["datasource"] == panel["datasource"]


def test_ids_are_unique_and_panels_do_not_lie_on_each_other(dashboard: Dashboard) -> None:
    panels = _json(dashboard)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    for panel in panels:
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))


def test_a_dashboard_reads_a_database_that_the_reader_may_read(dashboard: Dashboard) -> None:
    reader = next(user for user in accounts.INFLUX_USERS if user.name == "reader")
    assert dashboard.series in wiring.SERIES
    assert dashboard.series.database in reader.read
    assert _json(dashboard)["panels"][0]["datasource"]["uid"] == datasource_uid(dashboard.series.database)


def test_queries_name_only_fields_that_are_written() -> None:
    for dashboard, panel, asked in queries():
        named = set(re.findall(r'"([a-z0-9_]+)"', asked.text)) - {dashboard.series.measurement, dashboard.tag}
        assert named, panel.title
        assert named <= FIELDS[asked.database], panel.title


def test_every_query_keeps_to_the_time_range_and_to_what_the_variable_chooses() -> None:
    for dashboard, panel, asked in queries():
        assert "$timeFilter" in asked.text, panel.title
        assert f"/^${dashboard.tag}$/" in asked.text or "whole fleet" in panel.title
        sent = asked.for_device(dashboard.tag, "device-1")
        assert not re.search(r"\$[a-zA-Z_]", sent), panel.title


def test_no_database_or_measurement_is_spelled_outside_the_wiring() -> None:
    text = MODULE.read_text()
    for series in wiring.SERIES:
        assert f'database="{series.database}"' not in text
        assert f"FROM {series.measurement}" not in text
        assert f'FROM "{series.measurement}"' not in text


def test_the_link_of_an_incident_leads_to_a_dashboard_with_that_variable() -> None:
    assert any(f"/d/{one.uid}?var-{one.tag}=" in wiring.DASHBOARD_URL for one in DASHBOARDS)
    assert wiring.DASHBOARD_URL.format(device="board-7").endswith("var-device=board-7")
