"""Node-RED's flows: one carrier for every setting, topics that Kafka has, and no login in a flow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra import wiring
from infra.services.flows import CARRIER, EDGE, KAFKA_TYPES, FlowError, flows, refuse_unknown_topics, why_not_carrying
from infra.settings import Settings
from tests.support.program import run_program

KNOWN = [topic.name for topic in wiring.TOPICS]


@pytest.mark.parametrize("services", [["core"], ["core", "node-red"], ["core", "teaching"]])
@pytest.mark.parametrize("ingest", ["bridge", "node-red"])
def test_exactly_one_carries_the_boards_messages(services: list[str], ingest: str) -> None:
    if ingest == "node-red" and services == ["core"]:
        return  # refused, see test_settings
    charts = run_program({"services": services, "iotkitIngest": ingest}).charts()
    env = charts["bridge"][1]["env"]
    by_bridge = wiring.IOTKIT_ROUTE.mqtt in {route["mqtt"] for route in json.loads(env["BRIDGE_ROUTES"])}
    assert json.loads(env["BRIDGE_UNSUBSCRIBE"]) == ([] if by_bridge else [wiring.IOTKIT_ROUTE.mqtt])
    drawn: dict[str, Any] = charts["node-red"][1] if "node-red" in charts else {"flows": [], "carrier": {"enabled": False}}
    writers = [
        node
        for node in drawn["flows"]
        if node["type"] == "Kafka Producer" and node["z"] != "iotlab-doctor" and not node.get("d") and not _disabled(node, drawn)
    ]
    assert len(writers) + by_bridge == 1
    assert drawn["carrier"]["enabled"] is bool(writers)
    assert by_bridge is (ingest == "bridge")


def _disabled(node: dict[str, Any], drawn: dict[str, Any]) -> bool:
    return any(tab["id"] == node["z"] and tab.get("disabled") for tab in drawn["flows"])


def test_other_routes_stay_the_bridges() -> None:
    left = Settings.parse({"iotlab:services": ["core", "node-red"], "iotlab:iotkitIngest": "node-red"}).routes
    assert set(wiring.ROUTES) - set(left) == {wiring.IOTKIT_ROUTE}


@pytest.mark.parametrize(
    ("services", "starts"),
    [({"camunda"}, True), ({"camunda", "iot-kafka-alert"}, False), (set(), False)],
)
def test_an_alert_starts_a_process_once(services: set[str], starts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "chosen", frozenset(services))
    assert Settings.model_construct().node_red_starts is starts
    tab = next(node for node in flows(carries=False, starts=starts) if node["id"] == "iotlab-alert")
    assert tab["disabled"] is not starts


def test_every_wire_leads_to_a_node_and_every_node_stands_on_a_tab() -> None:
    made = flows(carries=True, starts=True)
    ids = {node["id"] for node in made}
    assert len(ids) == len(made)
    for node in made:
        assert {end for wire in node.get("wires", []) for end in wire} <= ids, node["id"]
        assert node.get("z", node["id"]) in ids, node["id"]
    assert CARRIER in ids


def test_no_login_stands_in_a_flow() -> None:
    assert not any("credentials" in node or "password" in json.dumps(node).lower() for node in flows(carries=True, starts=True))


@pytest.mark.parametrize("kind", sorted(KAFKA_TYPES))
def test_an_unknown_topic_is_refused_with_flow_node_and_the_topics_that_there_are(kind: str) -> None:
    node = {"id": "n1", "z": "t1", "type": kind, "name": "out", "topic": "sensor", "topics": [{"topic": "sensor"}]}
    with pytest.raises(FlowError) as refused:
        refuse_unknown_topics([{"id": "t1", "type": "tab", "label": "Lesson 3"}, node], KNOWN)
    assert str(refused.value) == (f"flow 'Lesson 3', node 'out': 'sensor' is not among the lab's topics: {', '.join(KNOWN)}")


def test_the_alert_flow_speaks_of_processes_by_their_names() -> None:
    text = json.dumps(flows(carries=False, starts=True))
    assert f"{wiring.CAMUNDA_REST}/process-definition/key/{wiring.MAINTENANCE_PROCESS}/start" in text
    assert "{{" not in text


@pytest.mark.parametrize("carries", [True, False])
def test_the_doctors_flow_is_always_there_and_touches_no_data(carries: bool) -> None:
    made = {node["id"]: node for node in flows(carries=carries, starts=False) if node.get("z", node["id"]) == "iotlab-doctor"}
    assert made["iotlab-doctor"]["disabled"] is False
    (heard,) = [node for node in made.values() if node["type"] == "mqtt in"]
    (told,) = [node for node in made.values() if node["type"] == "Kafka Producer"]
    assert heard["topic"] == f"{wiring.FLOW_CANARY_MQTT}/#"
    assert (told["topic"], told["key"], told.get("d")) == (wiring.CANARY_DONE.name, EDGE, None)
    assert heard["qos"] == "0", "Mosquitto must not keep canaries for a Node-RED that is away"


def test_a_carrier_that_is_gone_or_switched_off_is_told() -> None:
    made = flows(carries=True, starts=False)
    assert why_not_carrying(made) is None
    assert "disabled" in (why_not_carrying(flows(carries=False, starts=False)) or "")
    assert "deleted" in (why_not_carrying([node for node in made if node["id"] != CARRIER]) or "")
    off = [node | {"disabled": True} if node["type"] == "tab" else node for node in made]
    assert "disabled" in (why_not_carrying(off) or "")
