"""A bench's report: what it counts, and that its JSON has the keys that the figures of the documentation are read from."""

from __future__ import annotations

import json

import pytest

from tests.bench import fleet
from tests.bench.report import Report, Result
from tests.bench.run import Asked, asked
from tests.bench.subscriber import Reading

DRIVE = fleet.Drive(connects_s=3000.4, from_s=100.0, took_s=2.0, cores=0.5, memory_mb=80.0, acked=5)


def came(*readings: tuple[str, float, float]) -> list[tuple[Reading, float]]:
    return [(Reading(car, time_s), arrived_s) for car, time_s, arrived_s in readings]


def test_a_fleets_losses_and_copies_are_of_the_whole_run_and_its_times_of_the_seconds_that_count() -> None:
    early, slow, twice = ("a", 99.0, 99.9), ("a", 100.5, 100.75), ("b", 101.0, 101.25)
    found = fleet.counted(came(early, slow, twice, twice, ("b", 101.9, 102.5)), DRIVE, 1.26)
    assert (found.lost, found.duplicated) == (1, 1)
    assert (found.msg_s, found.msg_s_per_core) == (2, 3)
    assert (found.p50_ms, found.p99_ms) == (250.0, 600.0)
    assert found.more == {"connects_s": 3000, "memory_kb_a_car": 1.3}


def test_the_report_compares_a_benchs_own_figures_too_and_comes_back_from_its_json() -> None:
    results = {
        "ours": Result.of(100.0, 0.5, [1.0, 2.0], 0, 0, connects_s=300.0),
        "peer": Result.of(50.0, 1.0, [4.0, 8.0], 0, 0, connects_s=100.0),
    }
    report = Report(results, {"cars": 2})
    told = json.loads(report.as_json())
    assert {"contenders", "load", "machine", "versions", "ratio"} == set(told)
    assert {"msg_s", "p50_ms", "p99_ms", "cpu_cores", "lost", "duplicated"} < set(told["contenders"]["ours"])
    assert told["ratio"]["peer"] == {"msg_s": 2.0, "msg_s_per_core": 4.0, "p50_ms": 0.25, "p99_ms": 0.25, "connects_s": 3.0}
    assert "load_before" in told["machine"]
    assert Report.of_json(report.as_json()) == report


def test_a_table_has_a_column_for_each_figure() -> None:
    results = {name: Result.of(100.0, 0.5, [1.0], 0, 0, connects_s=300.0) for name in ("ours", "peer")}
    head, _, *rows = Report(results, {}).as_table().splitlines()
    assert "connects s" in head
    assert {row.count("|") for row in rows} == {head.count("|")}


@pytest.mark.parametrize("ratio", [[1.0], [1.0, 2.0, 3.0]])
def test_percentiles_are_of_the_values_themselves(ratio: list[float]) -> None:
    found = Result.of(1.0, 1.0, ratio, 0, 0)
    assert found.p50_ms in ratio
    assert found.p99_ms == max(ratio)


def test_a_bench_takes_cars_and_contenders_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--json", "40", "peer"])
    assert asked({"ours": 1, "peer": 2}, cars=20, most_cars=50) == Asked(("peer",), 40, as_json=True)
    monkeypatch.setattr("sys.argv", ["bench"])
    assert asked({"ours": 1, "peer": 2}, cars=20) == Asked(("ours", "peer"), 20, as_json=False)


@pytest.mark.parametrize(
    ("word", "most_cars", "why"),
    [("pear", 50, "no contender 'pear'.* ours, peer"), ("51", 50, "takes 10 to 50"), ("9", 50, "takes 10"), ("20", 0, "fixed")],
)
def test_what_a_bench_does_not_have_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, word: str, most_cars: int, why: str
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", word])
    with pytest.raises(SystemExit, match=why):
        asked(("ours", "peer"), 20, most_cars)
