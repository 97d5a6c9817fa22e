from __future__ import annotations

import json

import pytest
from bridge.options import load
from bridge.routes import Destination, Route, Ways, matches, resolver
from pydantic import ValidationError
from runtime.settings import ConfigurationError, host_and_port
from telemetry.record import header

from infra import wiring

ROUTES = [Route(mqtt=route.mqtt, kafka=route.kafka.name, key=route.key) for route in wiring.ROUTES]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "METRICS_PORT": "0",
        "BRIDGE_ID": "bridge-0",
        "BRIDGE_URI": "tcp://mosquitto:1883",
        "BRIDGE_BROKERLIST": "kafka:9092",
        "BRIDGE_ROUTES": json.dumps([route.model_dump() for route in ROUTES]),
        "BRIDGE_DEAD_LETTER_TOPIC": "dead-letter",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("mqtt_filter", "topic", "expected"),
    [
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a", False),
        ("a/b", "a/c", False),
        ("+/b", "a/b", True),
        ("#", "$SYS/uptime", False),
        ("+/uptime", "$SYS/uptime", False),
        ("$SYS/#", "$SYS/uptime", True),
        ("$share/bridges/a/#", "a/b/c", True),
        ("$share/bridges/#", "a/b/c", True),
        ("$share/bridges/#", "$SYS/uptime", False),
        ("$share/bridges/a/+", "$share/bridges/a/b", False),
        ("$share/bridges/", "bridges", False),
    ],
)
def test_filters_match_as_mqtt_says(mqtt_filter: str, topic: str, expected: bool) -> None:
    assert matches(mqtt_filter, topic) is expected


def test_the_lab_s_routes_key_cars_by_name_and_boards_by_topic() -> None:
    resolve = resolver(ROUTES, "edge-1")
    assert resolve("vehicles/sensor/data/electric-vehicle-00001") == Destination(
        "sensor-data", "electric-vehicle-00001", "electric-vehicle-00001"
    )
    assert resolve("iotkit/sensor") == Destination("broker_message", "iotkit/sensor", "edge-1")
    assert resolve("iotkit/hall-3/alert") == Destination("broker_message", "iotkit/hall-3/alert", "hall-3")
    assert resolve("lab/canary/lab-canary") == Destination("lab-canary", "lab-canary", "lab-canary")
    assert resolve("fan/messages") is None


@pytest.mark.parametrize("below", ["", "/x/electric-vehicle-00001", "/electric-vehicle-00001/", "//electric-vehicle-00001"])
def test_a_key_of_the_last_level_is_of_topics_with_that_level_alone(below: str) -> None:
    assert resolver(ROUTES, "edge-1")(f"vehicles/sensor/data{below}") is None


def test_a_shared_filter_leads_where_the_same_one_does_that_is_not() -> None:
    shared = [route.model_copy(update={"mqtt": f"$share/bridges/{route.mqtt}"}) for route in ROUTES]
    for topic in ("vehicles/sensor/data/electric-vehicle-00001", "iotkit/hall-3/alert", "fan/messages"):
        assert resolver(shared, "edge-1")(topic) == resolver(ROUTES, "edge-1")(topic)


def test_options_override_the_environment() -> None:
    settings = load(["--id", "edge-2", "--uri", "tcp://broker:1884", "-b", "k1:9092,k2:9092"])
    assert (settings.id, settings.uri, settings.brokerlist) == ("edge-2", "tcp://broker:1884", "k1:9092,k2:9092")
    assert [route.kafka for route in settings.routes] == [route.kafka.name for route in wiring.ROUTES]


def test_several_brokers_are_a_list_and_the_option_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shards = ("tcp://mosquitto:1883", "tcp://mosquitto:18831")
    monkeypatch.setenv("BRIDGE_URIS", json.dumps(shards))
    with pytest.raises(ValidationError, match="exactly one of both"):
        load([])
    assert load(["--uri", "tcp://broker:1884"]).brokers == ("tcp://broker:1884",)
    monkeypatch.delenv("BRIDGE_URI")
    assert load([]).brokers == shards
    assert load(["--uri", "tcp://broker:1884"]).brokers == ("tcp://broker:1884",)


def test_a_topic_is_resolved_once_and_one_that_is_no_utf_8_has_no_route() -> None:
    ways = Ways(ROUTES, "edge-1")
    board = ways[b"iotkit/hall-3/alert"]
    assert ways[b"iotkit/hall-3/alert"] is board
    assert (board.kafka, board.key, header(board.headers, "device")) == ("broker_message", "iotkit/hall-3/alert", "hall-3")
    wrong = ways[b"fan/\xff"]
    assert (wrong.kafka, wrong.key, wrong.topic, header(wrong.headers, "device")) == (None, "fan/\\xff", "fan/\\xff", "edge-1")


def test_topics_without_end_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.routes._KNOWN_TOPICS", 3)
    ways = Ways(ROUTES, "edge-1")
    for number in range(10):
        assert ways[b"iotkit/%d" % number].key == f"iotkit/{number}"
        assert len(ways) <= 3


def test_long_topics_fill_it_no_more_than_many_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.routes._KNOWN_BYTES", 100_000)
    ways = Ways(ROUTES, "edge-1")
    for number in range(20):
        assert ways[b"iotkit/%030000d" % number].kafka == "broker_message"
        assert sum(map(len, ways)) < 100_000 + 65_535


def test_topics_choose_among_the_routes_or_bring_their_own() -> None:
    settings = load(["--topics", "iotkit/sensor,fan/#=fans,$share/group/vehicles/sensor/data/#"])
    assert [(route.mqtt, route.kafka, route.key) for route in settings.routes] == [
        ("iotkit/sensor", "broker_message", "topic"),
        ("fan/#", "fans", "topic"),
        ("$share/group/vehicles/sensor/data/#", "sensor-data", "level:-1"),
    ]
    with pytest.raises(ConfigurationError, match="fan/#"):
        load(["--topics", "fan/#"])


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load(["-h"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert all(option in told for option in ("--id", "--topics", "--uri", "--brokerlist", "-b", "--help"))


def test_a_missing_setting_is_refused_before_anything_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRIDGE_URI")
    with pytest.raises(ValidationError, match="uri"):
        load([])


@pytest.mark.parametrize("uri", ["mosquitto:1883", "http://mosquitto:1883", "tcp://mosquitto", "tcp://:1883", "tcp://m:x"])
def test_a_wrong_uri_is_refused_with_a_sentence(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="tcp://host:port"):
        host_and_port(uri)
