"""Watch: rates come from counters over a window; a page without the counter says so."""

import pytest

from infra.lab.errors import LabError
from infra.lab.watch import WINDOW_S, Gauge, counter_of

PAGE = """# TYPE timeseries_points_written_total counter
timeseries_points_written_total{database="cars"} 40.0
timeseries_points_written_total{database="other"} 2.0
"""


def test_a_counter_is_summed_over_the_samples_that_carry_the_label() -> None:
    assert counter_of(PAGE, "timeseries_points_written_total", {}) == 42
    assert counter_of(PAGE, "timeseries_points_written_total", {"database": "cars"}) == 40


def test_a_page_without_the_counter_is_named() -> None:
    with pytest.raises(LabError, match="no counter bridge_received_total"):
        counter_of(PAGE, "bridge_received_total", {})


def test_a_rate_needs_two_values_and_forgets_old_ones() -> None:
    gauge = Gauge()
    gauge.add(0.0, 10)
    assert gauge.rate is None
    gauge.add(2.0, 20)
    assert gauge.rate == 5
    gauge.add(2.0 + WINDOW_S, 20)
    assert gauge.rate == 0
    assert gauge.total == 20
