"""The edges that network policies let through are exactly those that the wiring draws."""

from __future__ import annotations

import json

from infra import wiring
from infra.settings import NEEDS
from tests.support.charts import Object, cases, rendered

SERVERS = {endpoint.host for endpoint in (wiring.MOSQUITTO, wiring.KAFKA, wiring.INFLUXDB, wiring.CAMUNDA)}
DRAWN = {(app, endpoint.host, endpoint.port) for app, endpoint in wiring.EDGES if endpoint.host in NEEDS}
INSIDE_KAFKA = {("kafka-topics", "kafka", 9092), ("kafka", "kafka", 9092), ("kafka", "kafka", 9093)}
JOBS = {("camunda-processes", "camunda", 8080)}


def _policies() -> list[Object]:
    program = [name for name in cases() if name.endswith("-S")]
    return [found for name in program for found in rendered(name) if found["kind"] == "NetworkPolicy"]


def _name(selector: Object) -> str:
    return str(selector["matchLabels"]["app.kubernetes.io/name"])


def _edges(direction: str, peers: str) -> set[tuple[str, str, int]]:
    found = set()
    for policy in _policies():
        own = _name(policy["spec"]["podSelector"])
        for rule in policy["spec"].get(direction) or []:
            for peer in rule[peers]:
                if "podSelector" not in peer:
                    continue
                other = _name(peer["podSelector"])
                ends = (other, own) if direction == "ingress" else (own, other)
                found |= {(*ends, port["port"]) for port in rule["ports"]}
    return found


def test_who_is_let_in_is_who_was_drawn() -> None:
    assert _edges("ingress", "from") == DRAWN | INSIDE_KAFKA | JOBS


def test_who_is_let_out_is_who_was_drawn() -> None:
    assert _edges("egress", "to") == DRAWN | INSIDE_KAFKA | JOBS


def test_from_outside_only_the_exposed_ports_of_their_owners_are_open() -> None:
    open_to_networks = {
        (_name(policy["spec"]["podSelector"]), port["port"])
        for policy in _policies()
        for rule in policy["spec"].get("ingress") or []
        if any("ipBlock" in peer for peer in rule["from"])
        for port in rule["ports"]
    }
    assert open_to_networks == {(exposed.service, exposed.port) for exposed in wiring.EXPOSED}
    assert "0.0.0.0/0" not in json.dumps(_policies())


def test_node_ports_are_those_of_the_wiring() -> None:
    services = [found for name in cases() if name.endswith("-S") for found in rendered(name) if found["kind"] == "Service"]
    ports = {port["nodePort"] for service in services for port in service["spec"]["ports"] if "nodePort" in port}
    assert ports == {exposed.node_port for exposed in wiring.EXPOSED}
