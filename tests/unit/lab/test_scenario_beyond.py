"""What is behind the brokers is what came since the run began, over all pods that count it."""

from __future__ import annotations

import pytest

from infra import wiring
from infra.lab.scenario.beyond import HOPS, carried, counts_of
from infra.lab.scenario.forecast import forecast
from infra.lab.scenario.plan import Target, plan_of
from tests.support.plans import scenario

KAFKA = HOPS["kafka"]
LABELS = {"topic": ["sensor-data", "broker_message"]}
PAGE = """# TYPE bridge_delivered_total counter
bridge_delivered_total{{topic="sensor-data"}} {cars}
bridge_delivered_total{{topic="lab-canary"}} 7
# TYPE bridge_latency_seconds histogram
bridge_latency_seconds_bucket{{le="0.01"}} {fast}
bridge_latency_seconds_bucket{{le="0.05"}} {middling}
bridge_latency_seconds_bucket{{le="+Inf"}} {cars}
bridge_latency_seconds_count {cars}
bridge_latency_seconds_sum 1.0
"""


def _page(fast: int, middling: int, cars: int) -> str:
    return PAGE.format(fast=fast, middling=middling, cars=cars)


def test_what_came_before_and_what_is_no_data_is_not_counted() -> None:
    before = counts_of([_page(100, 100, 100)], KAFKA, LABELS)
    now = counts_of([_page(150, 199, 200)], KAFKA, LABELS)
    assert now.since(before) == {"arrived": 100, "p50_ms": 10.0, "p99_ms": 50.0}


def test_several_pods_are_one_hop() -> None:
    before = counts_of([_page(0, 0, 0), _page(0, 0, 0)], KAFKA, LABELS)
    now = counts_of([_page(10, 10, 10), _page(0, 30, 30)], KAFKA, LABELS)
    assert now.since(before) == {"arrived": 40, "p50_ms": 50.0, "p99_ms": 50.0}


@pytest.mark.parametrize(("middling", "p99_ms"), [(98, None), (99, 50.0)])
def test_a_time_beyond_all_classes_is_none_and_never_the_last_class(middling: int, p99_ms: float | None) -> None:
    before = counts_of([_page(0, 0, 0)], KAFKA, LABELS)
    assert counts_of([_page(90, middling, 100)], KAFKA, LABELS).since(before)["p99_ms"] == p99_ms


def test_where_nothing_came_there_are_no_times() -> None:
    same = counts_of([_page(1, 2, 3)], KAFKA, LABELS)
    assert same.since(same) == {"arrived": 0, "p50_ms": None, "p99_ms": None}


def test_messages_that_no_bridge_takes_are_not_waited_for() -> None:
    publish = {"qos": 0, "rate": "1/1s", "count": 4}
    groups = {"cars": {"count": 3}, "fans": {"kind": "fan", "count": 99}, "boards": {"kind": "iotkit", "count": 2}}
    told = scenario(groups, [{"clients": name, "connect": True, "publish": publish} for name in groups])
    plan = plan_of(told, forecast(told), Target("h", (1,)))
    assert carried(plan, wiring.ROUTES) == (3 + 2) * 4
    assert carried(plan, [route for route in wiring.ROUTES if route != wiring.IOTKIT_ROUTE]) == 3 * 4
