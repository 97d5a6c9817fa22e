"""Node-RED's flows: made from the wiring, and what may not stand in one. Pure.

`infra/lab` reads the rules from here, too, when a person imports a flow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from infra import wiring

Node = Mapping[str, Any]

EDGE = wiring.NODE_RED.host  # in the records' headers, and the client id of the MQTT session
CARRIER = "iotlab-iotkit-kafka"  # the node that writes to Kafka what boards publish
BROKER, CLUSTER = "iotlab-mosquitto", "iotlab-kafka"  # the nodes that say where Mosquitto and Kafka are
FUNCTIONS = ("readings", "incident", "again", "settled")  # of the alert flow, each in a file of its own
AT_WORK_MS = 250_000  # a try asks and starts, and Node-RED gives up each request after 120 s; later it was lost by a deploy
FILLED_IN = "${"  # Node-RED puts a value of the environment there when it starts: nobody knows which topic it is before
KAFKA_TYPES = frozenset({"Kafka Producer", "Kafka Consumer", "Kafka Consumer Group", "kafka", "kafka in"})


class FlowError(ValueError):
    """A flow that cannot work; the message names flow and node, and says what to do."""


def flows(*, carries: bool, starts: bool, shows: str = "") -> list[dict[str, Any]]:
    """The provisioned flows.

    `carries` says whether Node-RED is the one that carries iotkit/# to Kafka, `starts` whether its flow starts processes;
    `shows` is the address of a device's dashboard, empty where there is none.
    """
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    templates = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=jinja2.select_autoescape())
    names = {
        "mosquitto": wiring.MOSQUITTO,
        "kafka": wiring.KAFKA,
        "edge": EDGE,
        "carrier": CARRIER,
        "filter": wiring.IOTKIT_ROUTE.mqtt,
        "root": wiring.IOTKIT_MQTT,
        "topic": wiring.IOTKIT_ROUTE.kafka.name,
        "doctor": wiring.FLOW_CANARY_MQTT,
        "answers": wiring.CANARY_DONE.name,
        "rest": wiring.CAMUNDA_REST,
        "process": wiring.MAINTENANCE_PROCESS,
        "dashboard": shows,
        "at_work_ms": AT_WORK_MS,
    }
    code = {name: templates.get_template(f"node_red_{name}.js").render(names) for name in FUNCTIONS}
    text = templates.get_template("node_red_flows.json.j2").render(names, code=code, carries=carries, starts=starts)
    made: list[dict[str, Any]] = json.loads(text)
    refuse_unknown_topics(made, [topic.name for topic in wiring.TOPICS])
    return made


def why_not_carrying(nodes: Iterable[Node]) -> str | None:
    """None if the node that writes boards' messages to Kafka is among `nodes` and at work, else what is wrong."""
    by_id = {node["id"]: node for node in nodes}
    carrier = by_id.get(CARRIER)
    if carrier is None:
        return "the node that writes boards' messages to Kafka was deleted"
    tab = by_id.get(str(carrier.get("z")), {})
    if carrier.get("d") or tab.get("disabled"):
        return "the node that writes boards' messages to Kafka, or its tab, is disabled"
    return None


def topics_of(node: Node) -> list[str]:
    """The Kafka topics that a node names; none for one that takes what the message says."""
    if node["type"] not in KAFKA_TYPES:
        return []
    listed = node.get("topics") or node.get("topic") or ""
    names = (
        listed.split(",")
        if isinstance(listed, str)
        else [entry["topic"] if isinstance(entry, dict) else entry for entry in listed]
    )
    return [name.strip() for name in names if name.strip()]


def place_of(node: Node, nodes: Iterable[Node]) -> str:
    """Flow and node, as a sentence names them."""
    tabs = {other["id"]: other.get("label") or other["id"] for other in nodes if other["type"] == "tab"}
    flow = tabs.get(node.get("z", ""), node.get("z") or "all flows")
    return f"flow '{flow}', node '{node.get('name') or node['id']}'"


def refuse_unknown_topics(nodes: Sequence[Node], known: Sequence[str]) -> None:
    """Refuse a flow that names a topic which is not the lab's.

    Raises:
        FlowError: flow, node, and the topics that there are.
    """
    for node in nodes:
        for topic in topics_of(node):
            if FILLED_IN not in topic and topic not in known:
                raise FlowError(f"{place_of(node, nodes)}: '{topic}' is not among the lab's topics: {', '.join(known)}")
