"""Every panel's query, put to a real InfluxDB with points as the timeseries app writes them, by the login that only reads."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import urllib3
from fleet.board import Board
from fleet.cars import Cars, Traits
from fleet.readings import readings
from telemetry.car import encode_json
from telemetry.record import Record, arrival_headers
from timeseries.points import Series, line

from infra import wiring
from infra.services.dashboards import DASHBOARDS, Asked, Dashboard, queries
from tests.support.brokers import PASSWORDS, Influx

ASKED = tuple((dashboard, asked) for dashboard, _, asked in queries())
SECONDS, EVERY_S = 900, 5
DEVICES = {wiring.CARS_DB: "electric-vehicle-77001", wiring.IOTKIT_DB: "02-00-5e-00-77-01"}


def _record(database: str, kind: str, value: bytes, time_s: float) -> Record:
    device = DEVICES[database]
    topic = f"{wiring.CARS_MQTT}/{device}" if database == wiring.CARS_DB else f"{wiring.IOTKIT_MQTT}/{device}/{kind}"
    headers = arrival_headers(topic, device, "edge", int(time_s * 1000))
    return Record(topic, 0, 0, topic, value, headers, int(time_s * 1000))


def _records(database: str, end_s: float) -> Iterator[Record]:
    """A quarter of an hour of one device: a car, or a board whose machine runs hot now and then."""
    car = Cars(range(1, 2), Traits(seed=7, interval_s=EVERY_S))
    board = Board(DEVICES[database], 1, 7, 60.0)
    for second in range(0, SECONDS, EVERY_S):
        time_s = end_s - SECONDS + second
        if database == wiring.CARS_DB:
            (reading,) = readings([DEVICES[database]], car.live(np.array([0])).seen, time_s)
            yield _record(database, "", encode_json(reading), time_s)
        else:
            for kind, payload in board.messages(EVERY_S):
                yield _record(database, kind, payload, time_s)


@pytest.fixture(scope="module", autouse=True)
def _written(influx: Influx) -> None:
    headers = urllib3.make_headers(basic_auth=f"timeseries:{PASSWORDS['timeseries']}")
    for dashboard in DASHBOARDS:
        one = dashboard.series
        series = Series(topic=one.topic.name, codec=one.codec, database=one.database, measurement=one.measurement)
        lines = [line(series, record) for record in _records(one.database, time.time())]
        body = b"\n".join(text for text in lines if text)
        answer = urllib3.request("POST", f"{influx.url}/write?db={one.database}", body=body, headers=headers)
        assert answer.status == 204, answer.data


def _ask(influx: Influx, database: str, query: str) -> list[dict[str, Any]]:
    """The series of the answer."""
    headers = urllib3.make_headers(basic_auth=f"reader:{PASSWORDS['reader']}")
    answer = urllib3.request("GET", f"{influx.url}/query", fields={"db": database, "q": query, "epoch": "ms"}, headers=headers)
    (result,) = json.loads(answer.data)["results"]
    assert "error" not in result, f"{query}: {result}"
    found: list[dict[str, Any]] = result.get("series", [])
    return found


@pytest.mark.parametrize(("dashboard", "asked"), ASKED, ids=[asked.panel for _, asked in ASKED])
def test_every_query_of_every_panel_returns_rows(influx: Influx, dashboard: Dashboard, asked: Asked) -> None:
    (found,) = _ask(influx, asked.database, asked.for_device(dashboard.tag, DEVICES[asked.database], "20m"))
    assert len(found["values"]) > 1
    assert all(value is not None for _, value in found["values"])


def test_a_panel_of_all_devices_has_a_line_for_each_with_its_name(influx: Influx) -> None:
    dashboard, asked = ASKED[0]
    found = _ask(influx, asked.database, asked.for_device(dashboard.tag, ".*", "20m"))
    named = [one["tags"] for one in found]  # other tests' devices among them
    assert named.count({dashboard.tag: DEVICES[asked.database]}) == 1


def test_the_variable_finds_the_devices(influx: Influx) -> None:
    for dashboard in DASHBOARDS:
        (found,) = _ask(influx, dashboard.series.database, dashboard.devices)
        assert [dashboard.tag, DEVICES[dashboard.series.database]] in found["values"]


def test_the_fleets_rate_is_in_readings_a_second(influx: Influx) -> None:
    (asked,) = [asked for _, asked in ASKED if "whole fleet" in asked.panel]
    (found,) = _ask(influx, asked.database, asked.for_device("car", "", "20m"))
    rates = sorted(value for _, value in found["values"])
    assert rates[len(rates) // 2] >= 1 / EVERY_S
