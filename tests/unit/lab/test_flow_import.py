"""Old flows at import: foreign servers become the lab's, with logins; what cannot work is refused with flow and node."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from infra import wiring
from infra.lab.errors import UserError
from infra.lab.flow_import import Camunda, Imported, fit, read
from infra.lab.paths import ROOT
from infra.services.flows import BROKER, CLUSTER, KAFKA_TYPES

CAMUNDA = Camunda(wiring.CAMUNDA.url, "worker", "worker-secret")
TYPES = {
    "mqtt in",
    "mqtt out",
    "mqtt-broker",
    "debug",
    "change",
    "http request",
    "function",
    "inject",
    "Kafka Broker",
    *KAFKA_TYPES,
}
LESSON: list[dict[str, Any]] = json.loads((ROOT / "tests/support/old-flow.json").read_text())  # gateway and process in one


def _fit(nodes: list[dict[str, Any]], camunda: Camunda | None = CAMUNDA) -> Imported:
    numbers = count()
    return fit(nodes, "lesson", types=TYPES, camunda=camunda, new_id=lambda: f"new{next(numbers)}")


def _by_type(made: Imported, kind: str) -> list[dict[str, Any]]:
    return [node for node in made.nodes if node["type"] == kind]


def test_foreign_brokers_become_the_labs() -> None:
    made = _fit(LESSON)
    assert not _by_type(made, "mqtt-broker")
    assert not _by_type(made, "Kafka Broker")
    assert {node["broker"] for node in _by_type(made, "mqtt in")} == {BROKER}
    assert [node["broker"] for node in _by_type(made, "Kafka Producer")] == [CLUSTER]
    assert _by_type(made, "kafka")[0]["zkquorum"] == ""
    assert "example.org" not in json.dumps(made.nodes)
    assert all("is disabled" in note for note in made.notes)


def test_the_documents_flow_does_not_carry_boards_messages_a_second_time() -> None:
    made = _fit(LESSON)
    producers = [*_by_type(made, "Kafka Producer"), *_by_type(made, "kafka")]
    assert [node["topic"] for node in producers] == [wiring.BROKER_MESSAGE.name] * 2
    assert all(node["d"] for node in producers)
    assert made.notes[0].startswith("flow 'Edge', node 'd' is disabled: the lab brings boards' messages to broker_message itself")


def test_a_consumer_does_not_take_the_messages_of_the_labs_own() -> None:
    more = [{"id": "r", "z": "t1", "type": "Kafka Consumer Group", "name": "r", "groupId": "iot", "topics": "iot", "wires": []}]
    made = _fit([*LESSON, *more])
    (reader,) = _by_type(made, "Kafka Consumer Group")
    assert reader["groupId"] == "node-red-iot"
    assert "would take the messages of the lab's own consumer" in made.notes[-1]


def test_what_becomes_the_labs_and_what_does_nothing_any_more_is_said() -> None:
    more: list[dict[str, Any]] = [
        {"id": "r", "z": "t1", "type": "kafka in", "topics": "iot", "fromOffset": "earliest", "groupId": "g", "wires": []},
        {"id": "s", "z": "t1", "type": "Kafka Consumer", "topics": "iot", "fromOffset": True, "autoCommit": False, "wires": []},
        {"id": "p", "z": "t1", "type": "kafka", "topics": f"iot, {wiring.DEAD_LETTER.name}", "wires": []},
    ]
    made = _fit([*LESSON, *more])
    assert made.mapped == [
        "mqtt-broker 'm1' (cloud.example.org) is the lab's Mosquitto.",
        "Kafka Broker 'k1' (10.1.2.3) is the lab's Kafka.",
        "flow 'Edge', node 'start' (192.168.1.9:30880) asks the lab's Camunda, as worker.",
        "flow 'Edge', node 'g' (zookeeper:2181) uses the lab's Kafka.",
    ]
    assert made.ignored == [
        "flow 'all flows', node 'k1': requestTimeout.",
        "flow 'Edge', node 'd': requireAcks; every record waits for all in-sync replicas.",
        "flow 'Edge', node 's': autoCommit.",
    ]
    assert [node["fromOffset"] for node in made.nodes if "fromOffset" in node] == ["earliest", "latest"]
    assert made.notes[-2:] == [
        "flow 'Edge', node 's': fromOffset is latest or earliest, not True, so a new group begins with what comes now.",
        "flow 'Edge', node 'p' writes to iot only: a producer has one topic, so copy it for dead-letter.",
    ]
    assert _by_type(made, "kafka")[-1]["topic"] == "iot"


@pytest.mark.parametrize("kind", ["kafka", "Kafka Producer"])
@pytest.mark.parametrize("field", ["topic", "topics"])
def test_a_producer_keeps_the_one_topic_that_is_said_of_it(kind: str, field: str) -> None:
    carried = wiring.BROKER_MESSAGE.name
    place: dict[str, Any] = {"z": "t1", "type": kind, "wires": []}
    more = [place | {"id": "p", field: f" iot, {carried}"}, place | {"id": "q", field: f" {carried} "}, place | {"id": "r"}]
    made = _fit([*LESSON, *more])
    several, blank, of_the_message = made.nodes[-3:]
    assert (several["topic"], "d" in several) == ("iot", False)
    assert (blank["topic"], blank["d"]) == (carried, True)
    assert "topic" not in of_the_message, "it takes what the message says"
    assert made.notes[-2].startswith("flow 'Edge', node 'p' writes to iot only: ")
    assert made.notes[-1].startswith("flow 'Edge', node 'q' is disabled: ")


def test_the_process_engine_is_the_labs_with_its_login() -> None:
    (asked,) = _by_type(_fit(LESSON), "http request")
    assert asked["url"] == f"{wiring.CAMUNDA_REST}/process-definition/key/RechnungStep3/start"
    assert asked["authType"] == "basic"
    assert asked["credentials"] == {"user": "worker", "password": "worker-secret"}


def test_ids_are_new_and_the_wires_follow_them() -> None:
    made = _fit(LESSON)
    ids = {node["id"] for node in made.nodes}
    assert not ids & {node["id"] for node in LESSON}
    assert {end for node in made.nodes for wire in node.get("wires", []) for end in wire} <= ids
    assert {node["z"] for node in made.nodes if "z" in node} == {_by_type(made, "tab")[0]["id"]}


def test_what_was_given_is_not_changed() -> None:
    before = json.dumps(LESSON)
    _fit(LESSON)
    assert json.dumps(LESSON) == before


def test_a_selection_without_its_tab_gets_one_named_after_the_file() -> None:
    made = _fit([node for node in LESSON if node["type"] != "tab"])
    (tab,) = _by_type(made, "tab")
    assert tab["label"] == "lesson"
    assert {node["z"] for node in made.nodes if node["type"] != "tab"} == {tab["id"]}


def test_an_unknown_topic_is_refused() -> None:
    wrong = [*LESSON, {"id": "h", "z": "t1", "type": "kafka in", "name": "in", "topics": "broker_message,sensors", "wires": []}]
    with pytest.raises(UserError, match=r"^flow 'Edge', node 'in': 'sensors' is not among the lab's topics: "):
        _fit(wrong)


def test_a_topic_that_the_environment_fills_in_is_nobodys_to_judge() -> None:
    more = [{"id": "h", "z": "t1", "type": "kafka in", "name": "in", "topics": "${MY_TOPIC}", "wires": []}]
    assert _by_type(_fit([*LESSON, *more]), "kafka in")[-1]["topics"] == "${MY_TOPIC}"


def test_an_unknown_node_type_is_refused() -> None:
    wrong = [*LESSON, {"id": "h", "z": "t1", "type": "ui_gauge", "name": "temperature", "wires": []}]
    with pytest.raises(UserError, match=r"^flow 'Edge', node 'temperature': the lab's Node-RED has no node type 'ui_gauge'"):
        _fit(wrong)


def test_a_flow_that_asks_camunda_where_there_is_none_is_refused() -> None:
    with pytest.raises(UserError, match=r"^flow 'Edge', node 'start' asks Camunda, which this stack does not have; add camunda"):
        _fit(LESSON, None)


def test_what_will_stay_silent_is_said() -> None:
    more = [
        {"id": "h", "z": "t1", "type": "mqtt in", "name": "fans", "topic": "fan/messages", "broker": "m1", "wires": []},
        {"id": "i", "z": "t1", "type": "http request", "name": "weather", "url": "https://weather.example.org/", "wires": []},
    ]
    *_, fans, weather = _fit([*LESSON, *more]).notes
    assert fans.startswith("flow 'Edge', node 'fans': the lab lets flows use iotkit/# only")
    assert weather.startswith("flow 'Edge', node 'weather' asks weather.example.org, which is outside")


@pytest.mark.parametrize("text", ["{", "{}", "[]", "[1]", '[{"id": "a"}]', '[{"id": "", "type": "tab"}]'])
def test_what_is_no_flow_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^lesson\.json is no "):
        read(text, "lesson.json")
