"""An exported flow made fit for the lab: foreign servers become the lab's, and what cannot work is refused. Pure."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from infra import wiring
from infra.lab.errors import UserError
from infra.services.flows import BROKER, CLUSTER, FlowError, place_of, refuse_unknown_topics

Node = dict[str, Any]

LABS_OWN = {"mqtt-broker": BROKER, "Kafka Broker": CLUSTER}  # what says where a server is: the lab has one of each
LABS_GROUPS = frozenset({wiring.CSV_GROUP, wiring.PIPE_GROUP, wiring.ALERT_GROUP, wiring.TIMESERIES_GROUP})
KNOWN_TOPICS = tuple(topic.name for topic in wiring.TOPICS)
HOLDERS = frozenset({"tab", "subflow"})
NOT_IN_THE_PALETTE = frozenset({"tab", "subflow", "group", "junction", "comment", "global-config"})  # the editor's own


@dataclass(frozen=True, slots=True)
class Camunda:
    """How a flow speaks to the lab's Camunda."""

    url: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The nodes to add, and sentences about what a person should know of them."""

    nodes: list[Node]
    notes: list[str]


def read(text: str, name: str) -> list[Node]:
    """The nodes of an export.

    Raises:
        UserError: it is none.
    """
    try:
        loaded = json.loads(text)
    except ValueError as broken:
        raise UserError(f"{name} is no JSON ({broken}); export the flow in Node-RED's menu as JSON.") from broken
    if not isinstance(loaded, list) or not loaded or not all(isinstance(node, dict) and _is_node(node) for node in loaded):
        raise UserError(f"{name} is no exported flow: a JSON list of nodes with id and type is expected.")
    return loaded


def _is_node(node: Node) -> bool:
    return all(isinstance(node.get(field), str) and node[field] for field in ("id", "type"))


def fit(
    nodes: Sequence[Node],
    label: str,
    *,
    types: Collection[str],
    camunda: Camunda | None,
    topics: Sequence[str] = KNOWN_TOPICS,
    new_id: Callable[[], str] = lambda: secrets.token_hex(8),
) -> Imported:
    """The nodes as the lab can run them, under ids of their own; `label` names a tab for those that stand on none.

    `types` are the node types of the lab's Node-RED; `camunda` is None where the stack has none.

    Raises:
        UserError: an unknown topic or node type, or Camunda is asked and not there; with flow and node.
    """
    try:
        refuse_unknown_topics(nodes, topics)
    except FlowError as wrong:
        raise UserError(f"{wrong}.") from wrong
    _refuse_unknown_types(nodes, types)
    notes: list[str] = []
    placed = _on_tabs([dict(node) for node in nodes if node["type"] not in LABS_OWN], label)
    for node in placed:
        _adapt(node, placed, camunda, notes)
    ids = {node["id"]: LABS_OWN[node["type"]] for node in nodes if node["type"] in LABS_OWN}
    ids |= {node["id"]: new_id() for node in placed}
    return Imported([cast("Node", _renamed(node, ids)) for node in placed], notes)


def _refuse_unknown_types(nodes: Sequence[Node], types: Collection[str]) -> None:
    for node in nodes:
        kind = node["type"]
        if kind not in types and kind not in NOT_IN_THE_PALETTE and not kind.startswith("subflow:"):
            raise UserError(
                f"{place_of(node, nodes)}: the lab's Node-RED has no node type '{kind}', and installs none from outside; "
                "replace the node and export the flow again."
            )


def _on_tabs(nodes: list[Node], label: str) -> list[Node]:
    """A selection's nodes name a tab that was not exported with them."""
    holders = {node["id"] for node in nodes if node["type"] in HOLDERS}
    groups = {node["id"]: node for node in nodes if node["type"] == "group"}
    lost = [node for node in nodes if node["type"] not in HOLDERS and "x" in node and node.get("z") not in holders]
    if not lost:
        return nodes
    tab: Node = {"id": "imported-tab", "type": "tab", "label": label, "disabled": False, "info": ""}
    for node in [*lost, *groups.values()]:
        node["z"] = tab["id"]
    return [tab, *nodes]


def _adapt(node: Node, nodes: Iterable[Node], camunda: Camunda | None, notes: list[str]) -> None:
    """Let one node speak to the lab's servers."""
    node.pop("credentials", None)
    where = place_of(node, nodes)
    match node["type"]:
        case "kafka" | "kafka in" | "Kafka Producer" | "Kafka Consumer" | "Kafka Consumer Group":
            _adapt_kafka(node, where, notes)
        case "mqtt in" | "mqtt out":
            topic = str(node.get("topic", ""))
            if topic and topic.split("/", maxsplit=1)[0] != wiring.IOTKIT_MQTT:
                notes.append(f"{where}: the lab lets flows use {wiring.IOTKIT_ROUTE.mqtt} only, so '{topic}' will stay silent.")
        case "http request":
            _adapt_request(node, where, camunda, notes)
        case _:
            pass


def _adapt_kafka(node: Node, where: str, notes: list[str]) -> None:
    if node["type"] in {"kafka", "kafka in"}:
        node["zkquorum"] = ""
    carried = wiring.IOTKIT_ROUTE.kafka.name
    if node["type"] in {"kafka", "Kafka Producer"} and node.get("topic") == carried:
        node["d"] = True
        notes.append(f"{where} is disabled: the lab brings boards' messages to {carried} itself, and twice would be two rows.")
    if node.get("groupId") in LABS_GROUPS:
        node["groupId"] = f"node-red-{node['groupId']}"
        notes.append(f"{where} reads as group {node['groupId']}: as before it would take the messages of the lab's own consumer.")


def _adapt_request(node: Node, where: str, camunda: Camunda | None, notes: list[str]) -> None:
    url = urlsplit(str(node.get("url", "")))
    if url.path.startswith(urlsplit(wiring.CAMUNDA_REST).path):
        if camunda is None:
            raise UserError(f"{where} asks Camunda, which this stack does not have; add camunda to iotlab:services.")
        node["url"] = f"{camunda.url}{url.path}{f'?{url.query}' if url.query else ''}"
        node["authType"] = "basic"
        node["credentials"] = {"user": camunda.user, "password": camunda.password}
    elif url.hostname:
        notes.append(f"{where} asks {url.hostname}, which is outside: flows reach the lab's own servers only.")


def _renamed(value: object, ids: dict[str, str]) -> object:
    """`value` with the ids in it exchanged."""
    if isinstance(value, dict):
        return {key: inner if key == "credentials" else _renamed(inner, ids) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, ids) for inner in value]
    if isinstance(value, str) and value.startswith("subflow:"):
        return f"subflow:{ids.get(value.removeprefix('subflow:'), value.removeprefix('subflow:'))}"
    return ids.get(value, value) if isinstance(value, str) else value
