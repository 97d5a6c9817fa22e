"""A scenario becomes a plan in which every name, topic and number is decided; nobody's names are taken twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fleet.scenario import stage

from infra import accounts, wiring
from infra.lab.errors import UserError
from infra.lab.scenario.forecast import forecast
from infra.lab.scenario.model import CLIENTS_MSG_S, Scenario
from infra.lab.scenario.plan import Login, Target, filters, plan_of
from infra.lab.scenario.presets import RUNS, preset
from infra.lab.scenario.target import check_topics, given, place_of
from tests.support.plans import cars, plan, scenario

HERE = Target("127.0.0.1", (1883,))
READER = {"kind": "plain", "count": 1, "clientIds": "reader"}


def _plan(told: Scenario, target: Target = HERE) -> dict[str, Any]:
    return plan_of(told, forecast(told), target)


def test_the_clients_of_a_kind_come_behind_those_that_are_there() -> None:
    names = [group.client_id(0) for group in plan(cars(3), taken={"car": 25}).groups]
    assert names == ["electric-vehicle-00026"]
    assert plan(cars(3)).groups[0].client_id(2) == "electric-vehicle-00003"


@pytest.mark.parametrize(
    ("kind", "names", "first"),
    [
        ("car", "electric-vehicle-[0-9]{5}", "electric-vehicle-00026"),
        ("plain", "electric-vehicle-[0-9]{5}", "electric-vehicle-00026"),
        ("plain", "fan-[0-9]{1}", "fan-4"),
        ("car", "electric-vehicle-[0-9]{6}", "electric-vehicle-000001"),
        ("car", "mine-[0-9]{2}", "mine-01"),
    ],
)
def test_names_that_are_written_out_come_behind_those_that_are_there_too(kind: str, names: str, first: str) -> None:
    told = scenario({"g": {"kind": kind, "count": 2, "clientIds": names}}, [{"clients": "g", "connect": True}])
    assert plan(told, taken={"car": 25, "fan": 3, "iotkit": 7}).groups[0].client_id(0) == first


@pytest.mark.parametrize(
    ("kind", "name", "topic"),
    [
        ("car", "electric-vehicle-00002", "vehicles/sensor/data/electric-vehicle-00002"),
        ("iotkit", "02-00-5e-00-00-02", "iotkit/02-00-5e-00-00-02/sensor"),
        ("fan", "fan-2", "fan/messages"),
    ],
)
def test_each_kind_has_the_contracts_names_and_topics(kind: str, name: str, topic: str) -> None:
    told = plan(
        scenario(
            {"g": {"kind": kind, "count": 2}},
            [{"clients": "g", "connect": True, "publish": {"qos": 0, "rate": "2/1s", "count": 4}}],
        )
    )
    lane = told.lanes()[0][0]
    assert lane is not None
    assert (told.groups[0].client_id(1), lane.topic(1)) == (name, topic)
    assert (lane.publish.interval_s, lane.publish.count) == (0.5, 4)


def test_each_publishing_cycle_has_flows_of_its_own() -> None:
    publish = {"qos": 1, "rate": "1/1s", "count": 1}
    told = scenario(
        {"a": {"count": 3}, "f": {"kind": "fan", "count": 2}},
        [{"clients": "a", "connect": True, "publish": publish}],
        [{"clients": "f", "connect": True, "publish": publish}, {"clients": "a", "publish": publish}],
    )
    assert [[lane.base for lane in stage if lane] for stage in plan(told).lanes()] == [[0], [3, 5]]


def test_who_only_reads_has_the_readers_login() -> None:
    told = scenario(
        {"cars": {"count": 1}, "reader": READER},
        [
            {"clients": "cars", "connect": True, "publish": {"qos": 0, "rate": "1/1s", "count": 1}},
            {"clients": "reader", "connect": True, "subscribe": {"filter": "$share/g/vehicles/#", "qos": 1}},
        ],
    )
    found = _plan(told, Target("h", (1,), Login("fleet", Path("a")), Login("lab", Path("b"))))
    assert [group["reads"] for group in found["groups"]] == [False, True]
    assert (found["devices"]["name"], found["readers"]["name"]) == ("fleet", "lab")
    assert found["stages"][0]["cycles"][1]["subscribe"] == {"filter": "$share/g/vehicles/#", "qos": 1}


def test_a_filter_that_another_one_covers_is_left_out() -> None:
    assert filters(["a/+", "a/b", "a/+", "b", "a/b/c", "+/b/c"]) == ["a/+", "b", "+/b/c"]


@pytest.mark.parametrize("name", RUNS)
def test_no_process_has_more_clients_than_files(name: str) -> None:
    found = _plan(preset(name))
    assert found["groups"][0]["count"] / found["processes"] <= 15_000


@pytest.mark.parametrize(
    ("user", "client", "topic", "may"),
    [
        ("fleet", "car-1", f"{wiring.CARS_MQTT}/car-1", True),
        ("fleet", "car-1", f"{wiring.CARS_MQTT}/car-2", False),
        ("fleet", "b", f"{wiring.IOTKIT_MQTT}/b/sensor", True),
        ("fleet", "b", f"{wiring.IOTKIT_MQTT}/sensor", False),
        ("fleet", "actors", f"{wiring.IOTKIT_MQTT}/actors/led", False),
        ("fleet", "anybody", wiring.FAN_MQTT, True),
        ("fleet", "anybody", "hall/state", False),
        ("lab", "me", f"{wiring.IOTKIT_MQTT}/a/b/c", True),
        ("lab", "me", wiring.FAN_MQTT, False),
    ],
)
def test_who_may_publish_where_is_read_from_the_access_list(user: str, client: str, topic: str, may: bool) -> None:
    assert accounts.may_publish(user, client, topic) is may


@pytest.mark.parametrize("name", RUNS)
def test_the_labs_brokers_take_every_preset(name: str) -> None:
    check_topics(_plan(preset(name)))


def test_a_topic_that_the_labs_brokers_throw_away_is_refused() -> None:
    publish = {"qos": 0, "rate": "1/1s", "count": 1, "topic": "hall/p-[0-9]{1}"}
    probes = {"kind": "plain", "count": 2, "clientIds": "p-[0-9]{1}"}
    told = scenario({"p": probes}, [{"clients": "p", "connect": True, "publish": publish}])
    with pytest.raises(UserError, match=r"would not take p-1's messages to hall/p-1 \('p'\)"):
        check_topics(_plan(told))


@pytest.mark.parametrize(
    ("brokers", "said"),
    [
        (["mqtt://h:1"], "--broker is tcp://host:port, not 'mqtt://h:1'"),
        (["tcp://h"], "--broker is tcp://host:port"),
        (["tcp://h:99999"], "--broker is tcp://host:port"),
        (["tcp://user@h:1"], "--broker is tcp://host:port"),
        (["tcp://h:1/path"], "--broker is tcp://host:port"),
        (["tcp://a:1", "tcp://b:1"], "at one host, each with a port of its own, not at a, b"),
    ],
)
def test_brokers_that_cannot_be_are_refused(brokers: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        given(brokers, Login(), Login())


def test_logins_are_the_devices_and_then_the_readers(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    one, two = f"fleet:{tmp_path}/a", f"lab:{tmp_path}/b"
    alone, both = (place_of("local", ["tcp://h:1"], logins).named for logins in ([one], [one, two]))
    assert alone
    assert both
    assert (alone.devices.user, alone.readers.user) == ("fleet", "fleet")
    assert (both.devices.user, both.readers) == ("fleet", Login("lab", tmp_path / "b"))
    assert str(place_of("local", ["tcp://h:1", "tcp://h:2"], [])) == "tcp://h:1, tcp://h:2"
    wrong: tuple[tuple[list[str], list[str], str], ...]
    wrong = (([], [one], "for --broker"), (["tcp://h:1"], ["x"], "USER:FILE"), (["tcp://h:1"], [one] * 3, "once or twice"))
    for brokers, logins, said in wrong:
        with pytest.raises(UserError, match=said):
            place_of("local", brokers, logins)


@pytest.mark.parametrize("kind", ["car", "iotkit", "fan"])
def test_two_groups_of_one_kind_have_the_same_names(kind: str) -> None:
    groups = {"a": {"kind": kind, "count": 1}, "b": {"kind": kind, "count": 2}}
    with pytest.raises(ValueError, match="the groups 'a' and 'b' have the same client ids, "):
        scenario(groups, [{"clients": name, "connect": True} for name in groups])


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (("p-[0-9]{1}", 1_000), ("p-[0-9]{3}", 200), "p-100"),
        (("p-[0-9]{1}", 99), ("p-[0-9]{3}", 200), ""),
        (("p-[0-9]{2}-x", 5), ("p-07-x", 1), ""),
        (("p-[0-9]{2}-x", 7), ("p-07-x", 1), "p-07-x"),
        (("p-1[0-9]{2}", 50), ("p-[0-9]{3}", 120), "p-101"),
        (("a-[0-9]{2}", 50), ("b-[0-9]{2}", 50), ""),
        (("a", 1), ("a", 1), "a"),
    ],
)
def test_groups_with_one_name_in_common_are_refused(one: tuple[str, int], other: tuple[str, int], shared: str) -> None:
    groups = {
        name: {"kind": "plain", "clientIds": ids, "count": count} for name, (ids, count) in zip("ab", (one, other), strict=True)
    }
    if not shared:
        assert scenario(groups, [{"clients": name, "connect": True} for name in groups]).client_groups
        return
    with pytest.raises(ValueError, match=rf"the groups 'a' and 'b' have the same client ids, as {shared}; a broker"):
        scenario(groups, [{"clients": name, "connect": True} for name in groups])


def test_what_one_client_may_send_is_what_the_fleet_can_make_of_it() -> None:
    assert round(stage.TURNS / stage.tick_s(processes=1)) == CLIENTS_MSG_S
