from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telemetry.car import CarReading, decode_csv
from telemetry.record import Record, arrival_headers
from timeseries.points import Series
from timeseries.summary import RECORDS, Summaries

from tests.unit.apps.test_car_codec import ROW

READING = decode_csv(ROW.encode())


def record(offset: int, partition: int = 0) -> Record:
    headers = arrival_headers("x/car-1", "car-1", "edge-1", 1_600_000_000_000 + offset)
    return Record("sensor-data", partition, offset, "car-1", b"", headers, 0)


def reading(offset: int) -> CarReading:
    return CarReading(**{name: getattr(READING, name) for name in READING.__struct_fields__} | {"speed": float(offset)})


def added(summaries: Summaries, offsets: range, partition: int = 0) -> None:
    for offset in offsets:
        summaries.add(record(offset, partition), reading(offset))


def lines(summaries: Summaries) -> list[str]:
    return [summary.line("car_summary").decode() for summary in summaries.take()]


def points(summaries: Summaries) -> dict[str, dict[str, float]]:
    """Fields by time."""
    told = [line.split(" ") for line in lines(summaries)]
    return {
        time: {key: float(value) for key, _, value in (one.partition("=") for one in fields.split(","))}
        for _, fields, time in told
    }


def test_a_summary_has_how_many_readings_and_the_mean_least_and_most_of_every_value() -> None:
    summaries = Summaries()
    added(summaries, range(3))
    summaries.add(record(3), replace_failure(reading(3)))
    (line,) = lines(summaries)
    assert line.startswith("car_summary,partition=0 readings=4.0,failures=1.0,coolant_temp_mean=39.395103,")
    assert "speed_mean=1.5,speed_min=0.0,speed_max=3.0," in line
    assert line.endswith(" 1600000000000000000")


def replace_failure(given: CarReading) -> CarReading:
    return CarReading(**{name: getattr(given, name) for name in given.__struct_fields__} | {"failure_occurred": "true"})


def test_each_thousand_of_a_partition_is_a_point_of_its_own() -> None:
    summaries = Summaries()
    added(summaries, range(2 * RECORDS + 1))
    added(summaries, range(5), partition=1)
    assert [re.findall(r"partition=(\d) readings=(\d+)", line) for line in lines(summaries)] == [
        [("0", "1000")],
        [("0", "1000")],
        [("0", "1")],
        [("1", "5")],
    ]
    assert lines(summaries) == []


def test_nothing_is_committed_beyond_the_beginning_of_an_open_thousand() -> None:
    summaries = Summaries()
    added(summaries, range(RECORDS - 1))
    assert summaries.floors() == {("sensor-data", 0): 0}
    added(summaries, range(RECORDS - 1, RECORDS))
    assert summaries.floors() == {}
    added(summaries, range(RECORDS, RECORDS + 3))
    assert summaries.floors() == {("sensor-data", 0): RECORDS}


def test_a_group_that_begins_within_a_thousand_never_commits_what_lies_before() -> None:
    summaries = Summaries()
    added(summaries, range(500, 600))
    assert summaries.floors() == {("sensor-data", 0): 500}


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.integers(0, 12))
def test_whoever_reads_on_after_a_crash_makes_the_same_points(sizes: list[int], crash: int) -> None:
    stored: dict[str, dict[str, float]] = {}
    summaries, place, floor = Summaries(), 0, 0
    for number, size in enumerate(sizes):
        if number == crash:
            summaries, place = Summaries(), floor  # a new process goes on at what is committed
        added(summaries, range(place, place + size))
        place += size
        stored |= points(summaries)
        floor = min(place, summaries.floors().get(("sensor-data", 0), place))
    whole = Summaries()
    added(whole, range(place))
    expected = points(whole)
    assert stored.keys() == expected.keys()
    assert all(stored[time] == pytest.approx(expected[time]) for time in expected)  # sums of other parts differ in the last bit


def test_a_series_samples_the_same_cars_always_and_about_as_many_as_it_says() -> None:
    series = Series(topic="t", codec="car", database="d", measurement="m", sample=10)
    sampled = [number for number in range(5000) if series.samples(f"electric-vehicle-{number:05d}")]
    assert 400 < len(sampled) < 600
    assert replace_sample(series, 1).samples("any")


def replace_sample(series: Series, sample: int) -> Series:
    return series.model_copy(update={"sample": sample})


def test_a_record_is_told_from_one_of_another_topic() -> None:
    summaries = Summaries()
    summaries.add(record(0), reading(0))
    summaries.add(replace(record(1), topic="canary"), reading(1))
    assert len(lines(summaries)) == 2
