"""Grafana's dashboards as code: what each panel asks of which database. Pure.

Only `timeseries` panels. Every query is listed by `queries`, so that the tests can put it to the lab's InfluxDB without
Grafana.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra import wiring
from infra.wiring import Series

SCHEMA = 41  # of the dashboard format; older Grafanas read it, newer ones migrate it
REFRESH = "5s"
COLUMNS, WIDTH, HEIGHT = 24, 12, 8  # of Grafana's grid: two panels a row
RATE_S = 10  # the fleet's rate is counted over so many seconds
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """One line or, grouped by device, one line a device; Grafana fills in `$timeFilter`, `$__interval` and the variable."""

    alias: str
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart over time; `unit` is one of Grafana's."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Panels over one series, for the devices that the variable chooses; `tag` names a device and is the variable's name."""

    uid: str
    title: str
    series: Series
    tag: str
    panels: tuple[Panel, ...]

    @property
    def devices(self) -> str:
        """The variable's query: every device that has written."""
        return f'SHOW TAG VALUES FROM "{self.series.measurement}" WITH KEY = "{self.tag}"'


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of a panel, and the database that it is put to."""

    dashboard: str
    panel: str
    database: str
    text: str

    def for_device(self, tag: str, device: str, since: str = "15m", interval: str = "10s") -> str:
        """The query as Grafana would send it for one device."""
        text = self.text.replace(f"/^${tag}$/", f"/^{device}$/").replace("$timeFilter", f"time > now() - {since}")
        return text.replace("$__interval", interval)


def _series(database: str) -> Series:
    return next(series for series in wiring.SERIES if series.database == database)


def _mean(series: Series, tag: str, field: str, factor: str = "") -> Query:
    """The mean of a field for each chosen device."""
    return Query(f"$tag_{tag}", _select(series, tag, f'mean("{field}"){factor}', f'time($__interval), "{tag}" fill(none)'))


def _select(series: Series, tag: str, what: str, by: str, also: str = "") -> str:
    return f'SELECT {what} FROM "{series.measurement}" WHERE "{tag}" =~ /^${tag}$/{also} AND $timeFilter GROUP BY {by}'


def _iotkit() -> Dashboard:
    series, tag = _series(wiring.IOTKIT_DB), "device"
    counts = tuple(
        Query(name, _select(series, tag, 'count("condition")', "time($__interval) fill(none)", f" AND \"condition\" = '{name}'"))
        for name in ("low", "middle", "high")
    )
    panels = (
        Panel("Temperature", "celsius", (_mean(series, tag, "temperature"),)),
        Panel("Humidity", "humidity", (_mean(series, tag, "humidity"),)),
        Panel("Readings by class: at rest, in operation, abnormal", "short", counts, stacked=True),
        Panel(
            "Highest temperature of all",
            "celsius",
            (Query("highest", _select(series, tag, 'max("temperature")', "time($__interval) fill(none)")),),
        ),
    )
    return Dashboard("iotkit", "IoTKit", series, tag, panels)


def _cars() -> Dashboard:
    series, tag = _series(wiring.CARS_DB), "car"
    places = {"1_1": "front left", "1_2": "front right", "2_1": "back left", "2_2": "back right"}
    tires = tuple(
        Query(f"$tag_{tag} {place}", _mean(series, tag, f"tire_pressure_{number}").text) for number, place in places.items()
    )
    rate = f'SELECT count("speed") / {RATE_S} FROM "{series.measurement}" WHERE $timeFilter GROUP BY time({RATE_S}s) fill(none)'
    panels = (
        Panel("Speed", "velocityms", (_mean(series, tag, "speed"),)),
        Panel("Battery", "percent", (_mean(series, tag, "battery_percentage"),)),
        Panel("Coolant", "celsius", (_mean(series, tag, "coolant_temp"),)),
        Panel("Engine vibration", "mvolt", (_mean(series, tag, "engine_vibration_amplitude"),)),
        Panel("Tire pressure", "pressurepsi", tires),
        Panel("Readings of the whole fleet", "cps", (Query("readings a second", rate),)),
    )
    return Dashboard("cars", "Cars", series, tag, panels)


DASHBOARDS = (_iotkit(), _cars())


def queries() -> Iterator[tuple[Dashboard, Panel, Asked]]:
    """Every panel's queries with their database."""
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            for query in panel.queries:
                yield dashboard, panel, Asked(dashboard.uid, panel.title, dashboard.series.database, query.text)


def datasource_uid(database: str) -> str:
    """How dashboards name the data source of a database."""
    return f"influxdb-{database}"


def rendered() -> dict[str, str]:
    """File name -> dashboard, as Grafana's provisioning reads it."""
    return {f"{dashboard.uid}.json": json.dumps(_dashboard(dashboard), sort_keys=True) for dashboard in DASHBOARDS}


def _source(dashboard: Dashboard) -> Json:
    return {"type": "influxdb", "uid": datasource_uid(dashboard.series.database)}


def _dashboard(dashboard: Dashboard) -> Json:
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["iotlab"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,  # one crosshair over all panels
        "refresh": REFRESH,
        "time": {"from": "now-15m", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": [_variable(dashboard)]},
        "panels": [_panel(dashboard, number, panel) for number, panel in enumerate(dashboard.panels)],
    }


def _variable(dashboard: Dashboard) -> Json:
    return {
        "name": dashboard.tag,
        "label": dashboard.tag.capitalize(),
        "type": "query",
        "datasource": _source(dashboard),
        "query": dashboard.devices,
        "definition": dashboard.devices,
        "refresh": 2,  # whenever the time range changes: a new device is found
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "options": [],
        "regex": "",
        "skipUrlSync": False,
    }


def _panel(dashboard: Dashboard, number: int, panel: Panel) -> Json:
    per_row = COLUMNS // WIDTH
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _source(dashboard),
        "gridPos": {"x": number % per_row * WIDTH, "y": number // per_row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "color": {"mode": "palette-classic"}, "custom": _lines(panel)},
            "overrides": [],
        },
        "options": {
            "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [_target(dashboard, index, query) for index, query in enumerate(panel.queries)],
    }


def _lines(panel: Panel) -> Json:
    return {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 25 if panel.stacked else 0,
        "showPoints": "auto",
        "spanNulls": True,
        "stacking": {"group": "A", "mode": "normal" if panel.stacked else "none"},
    }


def _target(dashboard: Dashboard, index: int, query: Query) -> Json:
    return {
        "refId": chr(ord("A") + index),
        "datasource": _source(dashboard),
        "rawQuery": True,
        "query": query.text,
        "resultFormat": "time_series",
        "alias": query.alias,
    }
