"""Watch: rates come from counters over a window; a page without the counter says so."""

from types import SimpleNamespace
from typing import Any

import pytest

from infra import wiring
from infra.lab.errors import LabError, UserError
from infra.lab.watch import CARRIED, WINDOW_S, Gauge, counter_of, sample, watched
from infra.settings import Settings

PAGE = """# TYPE timeseries_points_written_total counter
timeseries_points_written_total{database="cars"} 40.0
timeseries_points_written_total{database="other"} 2.0
"""


def test_a_counter_is_summed_over_the_samples_that_carry_the_label() -> None:
    assert counter_of(PAGE, "timeseries_points_written_total", {}) == 42
    assert counter_of(PAGE, "timeseries_points_written_total", {"database": ["cars"]}) == 40
    assert counter_of(PAGE, "timeseries_points_written_total", {"database": ["cars", "other"]}) == 42


def test_canaries_are_not_counted_as_data() -> None:
    page = "\n".join(f'bridge_received_total{{topic="{topic.name}",qos="1"}} 10' for topic in wiring.TOPICS)
    assert counter_of(f"# TYPE bridge_received_total counter\n{page}\n", "bridge_received_total", CARRIED) == 30


def test_only_hops_of_the_stack_are_watched() -> None:
    assert list(watched(Settings.parse({"iotlab:services": ["mosquitto", "fleet"]}))) == ["fleet → mosquitto"]
    assert len(watched(Settings.parse({}))) == 4
    with pytest.raises(UserError, match="none of fleet, bridge, timeseries"):
        watched(Settings.parse({"iotlab:services": ["kafka"]}))


def test_a_page_without_the_counter_is_named() -> None:
    with pytest.raises(LabError, match="no counter bridge_received_total"):
        counter_of(PAGE, "bridge_received_total", {})


def test_the_counters_of_several_pods_are_one() -> None:
    lab: Any = SimpleNamespace(kube=SimpleNamespace(pages=lambda *_: iter([PAGE, PAGE])))
    gauges = {"kafka → influxdb": Gauge()}
    assert sample(lab, gauges) == {}
    assert gauges["kafka → influxdb"].total == 80


def test_a_rate_needs_two_values_and_forgets_old_ones() -> None:
    gauge = Gauge()
    gauge.add(0.0, 10)
    assert gauge.rate is None
    gauge.add(2.0, 20)
    assert gauge.rate == 5
    gauge.add(2.0 + WINDOW_S, 20)
    assert gauge.rate == 0
    assert gauge.total == 20
