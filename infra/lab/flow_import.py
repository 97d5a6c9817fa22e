"""An exported flow made fit for the lab: foreign servers become the lab's, and what cannot work is refused. Pure."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from infra import wiring
from infra.lab.errors import UserError
from infra.services.flows import BROKER, CLUSTER, FlowError, place_of, refuse_unknown_topics, topics_of

Node = dict[str, Any]

LABS_OWN = {"mqtt-broker": BROKER, "Kafka Broker": CLUSTER}  # what says where a server is: the lab has one of each
LABS_GROUPS = frozenset({wiring.CSV_GROUP, wiring.PIPE_GROUP, wiring.ALERT_GROUP, wiring.TIMESERIES_GROUP})
KNOWN_TOPICS = tuple(topic.name for topic in wiring.TOPICS)
HOLDERS = frozenset({"tab", "subflow"})
NOT_IN_THE_PALETTE = frozenset({"tab", "subflow", "group", "junction", "comment", "global-config"})  # the editor's own


# What the lab's Kafka nodes understand beside what every node has; the rest of an old node's settings does nothing here.
_PLACE = frozenset({"id", "type", "z", "g", "x", "y", "w", "h", "d", "l", "info", "name", "wires", "credentials"})
_READS = _PLACE | {"topics", "topic", "groupId", "fromOffset", "encoding", "broker", "zkquorum"}
_WRITES = _PLACE | {"topic", "topics", "key", "broker", "zkquorum"}
UNDERSTOOD = {
    "kafka": _WRITES, "Kafka Producer": _WRITES, "kafka in": _READS, "Kafka Consumer": _READS, "Kafka Consumer Group": _READS,
    "Kafka Broker": _PLACE | {"host", "port", "hosts"},
}  # fmt: skip
ACKS = frozenset({"requireAcks", "acks", "ackTimeoutMs"})
BEGINS = ("latest", "earliest")


@dataclass(frozen=True, slots=True)
class Camunda:
    """How a flow speaks to the lab's Camunda."""

    url: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The nodes to add, and sentences: what now is the lab's, which settings do nothing, what else a person should know."""

    nodes: list[Node] = field(default_factory=list)
    mapped: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


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
    made = Imported()
    for node in nodes:
        _say_what_is_ignored(node, place_of(node, nodes), made)
        if node["type"] in LABS_OWN:
            server = next((str(node[name]) for name in ("broker", "host") if node.get(name)), "unnamed")
            lab = "Kafka" if node["type"] == "Kafka Broker" else "Mosquitto"
            made.mapped.append(f"{node['type']} '{node.get('name') or node['id']}' ({server}) is the lab's {lab}.")
    placed = _on_tabs([dict(node) for node in nodes if node["type"] not in LABS_OWN], label)
    for node in placed:
        _adapt(node, placed, camunda, made)
    ids = {node["id"]: LABS_OWN[node["type"]] for node in nodes if node["type"] in LABS_OWN}
    ids |= {node["id"]: new_id() for node in placed}
    made.nodes.extend(cast("Node", _renamed(node, ids)) for node in placed)
    return made


def _say_what_is_ignored(node: Node, where: str, made: Imported) -> None:
    if node["type"] not in UNDERSTOOD:
        return
    lost = [name for name, value in node.items() if name not in UNDERSTOOD[node["type"]] and value not in ("", None, [])]
    if lost:
        acks = "; every record waits for all in-sync replicas" if ACKS & set(lost) else ""
        made.ignored.append(f"{where}: {', '.join(lost)}{acks}.")


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


def _adapt(node: Node, nodes: Iterable[Node], camunda: Camunda | None, made: Imported) -> None:
    """Let one node speak to the lab's servers."""
    node.pop("credentials", None)
    where = place_of(node, nodes)
    match node["type"]:
        case "kafka" | "kafka in" | "Kafka Producer" | "Kafka Consumer" | "Kafka Consumer Group":
            _adapt_kafka(node, where, made)
        case "mqtt in" | "mqtt out":
            topic = str(node.get("topic", ""))
            if topic and topic.split("/", maxsplit=1)[0] != wiring.IOTKIT_MQTT:
                made.notes.append(
                    f"{where}: the lab lets flows use {wiring.IOTKIT_ROUTE.mqtt} only, so '{topic}' will stay silent."
                )
        case "http request":
            _adapt_request(node, where, camunda, made)
        case _:
            pass


def _adapt_kafka(node: Node, where: str, made: Imported) -> None:
    if node["type"] in {"kafka", "kafka in"}:
        if node.get("zkquorum"):
            made.mapped.append(f"{where} ({node['zkquorum']}) uses the lab's Kafka.")
        node["zkquorum"] = ""
    if node["type"] in {"kafka", "Kafka Producer"}:
        _adapt_producer(node, where, made)
    else:
        _adapt_reader(node, where, made)


def _adapt_producer(node: Node, where: str, made: Imported) -> None:
    named, carried = topics_of(node), wiring.IOTKIT_ROUTE.kafka.name
    node.pop("topics", None)  # the older palette's producer may list several, in either field
    if named:
        node["topic"] = named[0]
    if len(named) > 1:
        made.notes.append(f"{where} writes to {named[0]} only: a producer has one topic, so copy it for {', '.join(named[1:])}.")
    if node.get("topic") == carried:
        node["d"] = True
        made.notes.append(
            f"{where} is disabled: the lab brings boards' messages to {carried} itself, and twice would be two rows."
        )


def _adapt_reader(node: Node, where: str, made: Imported) -> None:
    begin = node.setdefault("fromOffset", "latest")
    if begin not in BEGINS:
        node["fromOffset"] = "latest"
        made.notes.append(f"{where}: fromOffset is latest or earliest, not {begin!r}, so a new group begins with what comes now.")
    if node.get("groupId") in LABS_GROUPS:
        node["groupId"] = f"node-red-{node['groupId']}"
        made.notes.append(
            f"{where} reads as group {node['groupId']}: as before it would take the messages of the lab's own consumer."
        )


def _adapt_request(node: Node, where: str, camunda: Camunda | None, made: Imported) -> None:
    url = urlsplit(str(node.get("url", "")))
    if url.path.startswith(urlsplit(wiring.CAMUNDA_REST).path):
        if camunda is None:
            raise UserError(f"{where} asks Camunda, which this stack does not have; add camunda to iotlab:services.")
        made.mapped.append(f"{where} ({url.netloc.rpartition('@')[2]}) asks the lab's Camunda, as {camunda.user}.")
        node["url"] = f"{camunda.url}{url.path}{f'?{url.query}' if url.query else ''}"
        node["authType"] = "basic"
        node["credentials"] = {"user": camunda.user, "password": camunda.password}
    elif url.hostname:
        made.notes.append(f"{where} asks {url.hostname}, which is outside: flows reach the lab's own servers only.")


def _renamed(value: object, ids: dict[str, str]) -> object:
    """`value` with the ids in it exchanged."""
    if isinstance(value, dict):
        return {key: inner if key == "credentials" else _renamed(inner, ids) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, ids) for inner in value]
    if isinstance(value, str) and value.startswith("subflow:"):
        return f"subflow:{ids.get(value.removeprefix('subflow:'), value.removeprefix('subflow:'))}"
    return ids.get(value, value) if isinstance(value, str) else value
