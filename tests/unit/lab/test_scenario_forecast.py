"""What a scenario would do and need, and when a machine refuses it: with the need, the limit and the remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra.failures import UserError
from infra.lab.scenario import limits
from infra.lab.scenario.choose import scaled, shortened
from infra.lab.scenario.forecast import OTHER_FILES, forecast, shards_for
from infra.lab.scenario.limits import MSG_S_OF_A_CORE, Machine, refusal
from infra.lab.scenario.model import Scenario
from infra.lab.scenario.presets import RUNS, preset
from infra.scales import FLEET_SIZES, OWN_AT_XL, SCALES

ROOMY = Machine(cores=2, memory_mb=24_000, files=20_000, all_files=2_000_000, ports=28_232, tracked=131_072)


def scenario(clients: int, ramp_up: str = "0s", **publish: object) -> Scenario:
    cycle = {"clients": "cars", "connect": True, "rampUp": ramp_up, "publish": {"qos": 0, **publish}}
    return Scenario.model_validate(
        {"name": "x", "clientGroups": {"cars": {"count": clients}}, "stages": ({"name": "one", "lifeCycles": (cycle,)},)}
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("S", {"cars": 25, "qos": 1, "interval_s": 5, "messages_each": 40, "messages": 1_000, "msg_s": 5, "connects_s": 5}),
        ("M", {"cars": 1_000, "interval_s": 10, "msg_s": 100, "connects_s": 50}),
        ("L", {"cars": 10_000, "interval_s": 10, "msg_s": 1_000, "connects_s": 500, "shards": 2}),
        (
            "XL",
            {
                "cars": 100_000,
                "qos": 0,
                "interval_s": 10,
                "messages_each": 3_000,
                "messages": 300_000_000,
                "msg_s": 10_000,
                "connects_s": 5_000,
                "shards": 6,
                "processes": 7,
            },
        ),
        ("XXL", {"cars": 1_000_000, "interval_s": 100, "msg_s": 10_000, "connects_s": 5_000, "shards": 60}),
    ],
)
def test_a_preset_does_what_the_design_says(name: str, said: dict[str, object]) -> None:
    found = forecast(preset(name)).as_json()
    assert {key: found[key] for key in said} == said
    assert found["qos"] == FLEET_SIZES[name].qos


def test_every_size_has_a_preset_and_every_scale_has_its_cars() -> None:
    assert set(RUNS) == set(FLEET_SIZES)
    for name, scale in SCALES.items():
        cars = OWN_AT_XL if name == "XL" else FLEET_SIZES[name].cars
        assert (scale.cars, scale.interval_s) == (cars, FLEET_SIZES[name].interval_s)


def test_the_contracts_runs_ramp_as_it_says() -> None:
    for name, ramps_ms in {"S": [5_000, 20_000], "XL": [20_000, 20_000]}.items():
        assert [cycle.ramp_up_ms for _, cycle in preset(name).life_cycles()] == ramps_ms


def test_stages_follow_each_other_and_last_as_long_as_their_slowest() -> None:
    connect, publish = forecast(preset("S")).stages
    assert (connect.begins_s, connect.lasts_s, connect.connects_s, connect.msg_s) == (0, 5, 5, 0)
    assert (publish.begins_s, publish.lasts_s, publish.connects_s, publish.msg_s) == (5, 20 + 40 * 5, 0, 5)


def test_a_ramp_longer_than_a_client_publishes_lowers_the_height() -> None:
    assert forecast(scenario(100, "100s", count=10, rate="1/1s")).msg_s == 10
    assert forecast(scenario(100, "10s", count=10, rate="1/1s")).msg_s == 100


def test_however_seldom_or_often_a_client_sends_no_figure_is_0() -> None:
    seldom, often = (forecast(scenario(1, count=9, rate=rate)) for rate in ("1/2h", "3000/1s"))
    assert [seldom.msg_s, seldom.interval_s] == pytest.approx([1 / 7200, 7200], rel=1e-5)
    assert [often.msg_s, often.interval_s] == pytest.approx([3000, 1 / 3000], rel=1e-5)


def test_more_brokers_need_more_files_and_memory_and_nothing_else() -> None:
    few = forecast(preset("M"))
    more = few.over(3)
    assert (more.shards, more.files - few.files, more.memory_mb - few.memory_mb) == (3, 2 * OTHER_FILES, 2 * 32)
    assert replace(more, shards=few.shards, files=few.files, memory_mb=few.memory_mb) == few


def test_what_connects_without_a_ramp_does_so_within_a_second() -> None:
    assert forecast(scenario(100, count=1, rate="1/1s")).connects_s == 100


def test_means_are_of_the_clients_that_publish() -> None:
    mixed = Scenario.model_validate(
        {
            "name": "x",
            "clientGroups": {
                "cars": {"count": 10},
                "fans": {"count": 30, "kind": "fan"},
                "boards": {"count": 2, "kind": "iotkit"},
            },
            "stages": (
                {"name": "come", "lifeCycles": tuple({"clients": name, "connect": True} for name in ("cars", "fans", "boards"))},
                {
                    "name": "work",
                    "lifeCycles": (
                        {"clients": "cars", "publish": {"qos": 1, "count": 4, "rate": "1/10s"}},
                        {"clients": "fans", "publish": {"qos": 0, "duration": "20s", "rate": "1/2s"}},
                    ),
                },
            ),
        }
    )
    found = forecast(mixed)
    assert (found.cars, found.clients, found.qos) == (40, 42, 1)
    assert (found.messages, found.messages_each) == (10 * 4 + 30 * 10, 8.5)
    assert (found.msg_s, found.interval_s) == (16, 2.5)
    assert found.stages[1].lasts_s == 40


def test_who_only_connects_publishes_nothing() -> None:
    quiet = {
        "name": "x",
        "clientGroups": {"cars": {"count": 1}},
        "stages": ({"name": "a", "lifeCycles": ({"clients": "cars", "connect": True},)},),
    }
    found = forecast(Scenario.model_validate(quiet))
    assert (found.cars, found.clients, found.messages, found.qos, found.interval_s) == (0, 1, 0, None, None)


def test_a_connection_is_a_file_at_both_ends_and_costs_what_the_prototype_measured() -> None:
    small, large = forecast(preset("M")), forecast(preset("XL"))
    assert small.files == 2 * 1_000 + OTHER_FILES * 2
    assert large.files == 2 * 100_000 + OTHER_FILES * (7 + 6)
    assert 932 <= large.memory_mb - 7 * 48 - 6 * 32 <= 933  # 9.54 KB a car, and each process at rest


def test_shards_are_those_of_the_smallest_size_that_is_as_large_or_as_full_as_those_of_xl() -> None:
    assert [shards_for(size.cars) for size in FLEET_SIZES.values()] == [size.mqtt_shards for size in FLEET_SIZES.values()]
    assert [shards_for(count) for count in (1_001, 10_001, 100_006, 2_000_000)] == [2, 6, 7, 120]


def test_a_scale_replaces_the_count_of_cars_and_nothing_else() -> None:
    grown = scaled(preset("S"), "XL")
    assert grown.client_groups["cars"] == preset("XL").client_groups["cars"]
    assert grown.stages == preset("S").stages


def test_one_car_with_a_name_of_its_own_cannot_become_many() -> None:
    one = {"name": "x", "clientGroups": {"cars": {"count": 1, "clientIds": "mine"}}}
    stages = ({"name": "a", "lifeCycles": ({"clients": "cars", "connect": True},)},)
    with pytest.raises(UserError, match="x has one car, 'mine'; give its clientIds a range"):
        scaled(Scenario.model_validate(one | {"stages": stages}), "M")


def test_a_duration_shortens_what_is_longer_and_nothing_else() -> None:
    assert forecast(shortened(preset("S"), 60)).messages_each == 12
    assert forecast(shortened(preset("S"), 6_000)).messages_each == 40


@pytest.mark.parametrize("name", ["S", "M", "L", "XL"])
def test_a_machine_of_two_cores_carries_the_presets_up_to_xl(name: str) -> None:
    assert refusal(forecast(preset(name)), ROOMY) == ""


@pytest.mark.parametrize(
    ("machine", "asked", "said"),
    [
        (
            ROOMY,
            scenario(33_001, count=9, rate="1/1s"),
            ("33,001 messages a second", "2 cores carry up to 33,000", "longer interval"),
        ),
        (
            ROOMY,
            scenario(1_500_001, count=1, rate="1/1000s"),
            ("1,500,001 clients", "1,500,000 for them, 15,000 each", "fewer clients"),
        ),
        (
            replace(ROOMY, files=1_024),
            scenario(92_401, count=1, rate="1/100s"),
            ("92,401 clients", "have 92,400 for them, 924 each", "raise ulimit -Hn"),
        ),
        (
            replace(ROOMY, files=1_024),
            preset("L"),
            ("each of 2 brokers needs 5,100", "may have 1,024", "more brokers", "raise ulimit -Hn"),
        ),
        (replace(ROOMY, all_files=200_000), preset("XL"), ("201,300 files", "the system has 200,000", "raise fs.file-max")),
        (replace(ROOMY, memory_mb=1_000), preset("XL"), ("1,460 MB of memory", "1,000 MB are available", "fewer clients")),
        (replace(ROOMY, tracked=99_999), preset("XL"), ("100,000 connections", "99,999 are free", "nf_conntrack_max")),
        (replace(ROOMY, all_files=None), preset("XXL"), ("1,000,000 connections", "131,072 are free", "nf_conntrack_max")),
        (
            replace(ROOMY, ports=16_000),
            preset("XL"),
            ("each of 6 shards gets 16,667", "16,000 local ports", "more brokers", "ip_local_port_range"),
        ),
    ],
)
def test_what_a_machine_cannot_carry_is_refused_with_need_limit_and_remedy(
    machine: Machine, asked: Scenario, said: tuple[str, ...]
) -> None:
    told = refusal(forecast(asked), machine)
    assert [part for part in said if part not in told] == [], told


def test_more_cores_carry_more_messages() -> None:
    asked = forecast(scenario(40_000, count=9, rate="1/1s"))
    assert asked.msg_s > 2 * MSG_S_OF_A_CORE
    assert refusal(asked, replace(ROOMY, cores=4)) == ""


def test_connections_that_nobody_tracks_have_no_limit() -> None:
    assert refusal(forecast(preset("XXL")), replace(ROOMY, tracked=None, all_files=None)) == ""


def test_this_machine_can_be_asked() -> None:
    here = Machine.here()
    assert min(here.cores, here.memory_mb, here.files, here.ports) > 0


def test_what_the_kernel_does_not_say_is_no_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(limits, "SYSTEM", tmp_path)
    here = Machine.here()
    assert (here.tracked, here.all_files, here.ports) == (None, None, 28_232)


def test_connections_that_are_tracked_already_are_taken_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "net/netfilter").mkdir(parents=True)
    (tmp_path / "net/netfilter/nf_conntrack_max").write_text("131072\n")
    (tmp_path / "net/netfilter/nf_conntrack_count").write_text("1072\n")
    monkeypatch.setattr(limits, "SYSTEM", tmp_path)
    assert Machine.here().tracked == 130_000
