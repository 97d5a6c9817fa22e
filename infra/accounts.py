"""Who logs in where, and what each may do: the logins of Mosquitto, InfluxDB and Camunda, and those that people use.

Passwords are generated and stand nowhere here; topics and databases come from the wiring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra import wiring


@dataclass(frozen=True, slots=True)
class MqttUser:
    """A login of Mosquitto. `access` are ACL lines; `%c` stands for the client id."""

    name: str
    access: tuple[str, ...]
    purpose: str


MQTT_USERS = (
    MqttUser(
        "bridge",
        tuple(f"read {route.mqtt}" for route in wiring.ROUTES),
        "carries everything to Kafka; it reads, and could publish only as a car of its own client id (the pattern below)",
    ),
    MqttUser(
        "fleet",
        (f"write {wiring.FAN_MQTT}", f"deny {wiring.IOTKIT_MQTT}/actors/#"),
        "simulated devices; cars and boards are bound to their topics by the patterns below, and none commands as 'actors'",
    ),
    MqttUser(
        "canary",
        (
            f"readwrite {wiring.CANARY_MQTT}/#",
            f"write {wiring.BOARD_CANARY_MQTT}/{wiring.RESERVED_DEVICE}/+",
            f"write {wiring.FLOW_CANARY_MQTT}/{wiring.RESERVED_DEVICE}",
            f"read {wiring.DROPS_MQTT}",
        ),
        "the doctor",
    ),
    MqttUser(
        "node-red",
        (f"readwrite {wiring.IOTKIT_MQTT}/#", f"read {wiring.FLOW_CANARY_MQTT}/#"),
        "flows; one of them carries iotkit/# to Kafka where the stack says so",
    ),
    MqttUser(
        "lab",
        (f"readwrite {wiring.IOTKIT_MQTT}/#", f"read {wiring.CARS_MQTT}/#", f"read {wiring.FAN_MQTT}"),
        "people, boards and lessons",
    ),
)
MQTT_PATTERNS = (f"write {wiring.CARS_MQTT}/%c", f"write {wiring.TRUTH_MQTT}/%c", f"write {wiring.IOTKIT_MQTT}/%c/+")


def may_publish(user: str, client_id: str, topic: str) -> bool:
    """Whether Mosquitto lets that user's client publish there."""
    lines = [line for one in MQTT_USERS if one.name == user for line in one.access] + list(MQTT_PATTERNS)
    told = [(right, given.replace("%c", client_id)) for right, _, given in (line.partition(" ") for line in lines)]
    fitting = {right for right, given in told if fits(given, topic)}
    return "deny" not in fitting and bool(fitting & {"write", "readwrite"})


def fits(topic_filter: str, topic: str) -> bool:
    """Whether a topic, or another filter without #, is one of those that an MQTT filter finds."""
    wide, levels = topic_filter.split("/"), topic.split("/")
    if wide[-1] == "#":
        wide, levels = wide[:-1], levels[: len(wide) - 1]
    return len(wide) == len(levels) and all(left in {"+", right} for left, right in zip(wide, levels, strict=True))


@dataclass(frozen=True, slots=True)
class InfluxUser:
    """A login of InfluxDB; the administrator is `admin`."""

    name: str
    write: tuple[str, ...]
    read: tuple[str, ...]
    purpose: str


INFLUX_ADMIN = "admin"
INFLUX_USERS = (
    InfluxUser("timeseries", (wiring.CARS_DB, wiring.IOTKIT_DB, wiring.CANARY_DB), (), "writes the series"),
    InfluxUser("canary", (), (wiring.CANARY_DB,), "the doctor reads its own readings back"),
    InfluxUser("reader", (), (wiring.CARS_DB, wiring.IOTKIT_DB), "people, dashboards, notebooks"),
)


@dataclass(frozen=True, slots=True)
class CamundaUser:
    """A login of the process engine; what a role may do stands in charts/camunda/values.schema.json."""

    name: str
    role: Literal["admin", "worker", "deployer"]
    purpose: str


CAMUNDA_USERS = (
    CamundaUser("admin", "admin", "people: tasklist, cockpit, their own models"),
    CamundaUser("worker", "worker", "apps: start processes, answer external tasks, look whether an incident is known"),
    CamundaUser("deployer", "deployer", "the job that brings the models; a model can hold code, so apps may not"),
)
NODE_RED_ADMIN = GRAFANA_ADMIN = "admin"
JUPYTER_USER = "jupyter"  # the server knows one token and no names; this is the token's key in its Secret
REGISTRY_USER = "lab"  # one login: the registry knows no rights apart
CAMUNDA_WORKER = "worker"  # the REST login of apps and flows


@dataclass(frozen=True, slots=True)
class Login:
    """A login that people use, as `lab access` shows it; the password is the key `user` of the Secret.

    Without a Secret, `user` is a service account, and the password a token of it, made when somebody asks for it.
    """

    service: str
    url: str
    user: str
    secret: str


LOGINS = (
    Login("mosquitto", f"mqtt://127.0.0.1:{wiring.node_port('mosquitto')}", "lab", "mosquitto-users"),
    Login("influxdb", wiring.INFLUXDB.url, "reader", "influxdb-users"),
    Login("camunda", f"http://127.0.0.1:{wiring.node_port('camunda')}/camunda/", "admin", "camunda-users"),
    Login("node-red", f"http://127.0.0.1:{wiring.node_port('node-red')}", NODE_RED_ADMIN, "node-red-users"),
    Login("jupyter", f"http://127.0.0.1:{wiring.node_port('jupyter')}/lab", JUPYTER_USER, "jupyter-users"),
    Login("grafana", f"http://127.0.0.1:{wiring.node_port('grafana')}", GRAFANA_ADMIN, "grafana-users"),
    Login("registry", f"http://{wiring.REGISTRY_NAME}", REGISTRY_USER, "registry-users"),
    Login("headlamp", f"http://127.0.0.1:{wiring.node_port('headlamp')}", wiring.JUPYTER.host, ""),
)
