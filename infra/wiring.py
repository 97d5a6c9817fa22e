"""Every topic, port, host name, user and database name of the lab: the one truth.

Charts, apps, the doctor, the documentation and the tests get them from here; nothing else may spell
one out (tests/repository checks it). The names are a contract with existing devices, notebooks and lessons.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

NAMESPACE = "iotlab"
LESSONS = "lessons"  # the namespace in which exercises with Kubernetes make their objects
RESERVED_DEVICE = "lab-canary"  # the doctor's readings carry it; they have lanes of their own in every hop


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service is reached inside the cluster."""

    host: str
    port: int
    scheme: str = "tcp"

    @property
    def address(self) -> str:
        """`host:port`, as Kafka clients want it."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """`scheme://host:port`."""
        return f"{self.scheme}://{self.address}"


MOSQUITTO = Endpoint("mosquitto", 1883)
MOSQUITTO_TLS = Endpoint("mosquitto", 8883, "mqtts")
KAFKA = Endpoint("kafka", 9092)
KAFKA_CONTROLLER = Endpoint("kafka", 9093)
INFLUXDB = Endpoint("influxdb", 8086, "http")
CAMUNDA = Endpoint("camunda", 8080, "http")
CAMUNDA_REST = f"{CAMUNDA.url}/engine-rest"
NODE_RED = Endpoint("node-red", 1880, "http")
GRAFANA = Endpoint("grafana", 3000, "http")
METRICS_PORT = 9100  # /metrics, /healthz and /readyz of every app
CANARY_STATUS = Endpoint("canary", METRICS_PORT, "http")
INGRESS = Endpoint("ingress", 8443, "https")
JUPYTER = Endpoint("jupyter", 8888, "http")
REGISTRY = Endpoint("registry", 5000, "http")
HEADLAMP = Endpoint("headlamp", 4466, "http")


@dataclass(frozen=True, slots=True)
class ExposedPort:
    """A port that leaves the cluster: who owns it, on which address, and who may come in."""

    service: str
    port: int
    node_port: int
    source: Literal["loopback", "device"]
    login: str
    reason: str
    encrypted: bool = False
    leaves_machine: bool = True  # in the cloud, to the owner's address; the others go through SSH


EXPOSED = (
    ExposedPort("mosquitto", MOSQUITTO.port, 31883, "device", "user and password, ACL", "boards and lessons publish here"),
    ExposedPort("mosquitto", MOSQUITTO_TLS.port, 31884, "device", "as above, by TLS", "the same on shared networks", True),
    ExposedPort("camunda", CAMUNDA.port, 30880, "loopback", "generated login, REST too", "tasklist, cockpit and REST"),
    ExposedPort("ingress", INGRESS.port, 30443, "loopback", "as the service behind it", "web pages, by TLS only", True),
    ExposedPort(
        "node-red", NODE_RED.port, 32600, "loopback", "user and password", "the editor of flows; old lessons name the port"
    ),
    ExposedPort("jupyter", JUPYTER.port, 32088, "loopback", "token", "notebooks, where old links lead"),
    ExposedPort("grafana", GRAFANA.port, 30300, "loopback", "user and password", "dashboards"),
    # without TLS: docker and kind's nodes speak plain HTTP to `localhost` (buildah and skopeo by a flag), so nobody needs an
    # authority to trust; what is sent never leaves the machine
    ExposedPort("registry", REGISTRY.port, 30500, "loopback", "user and password", "students' images", False, False),
    ExposedPort(
        "headlamp", HEADLAMP.port, 30466, "loopback", "token of the exercises' account", "cluster's objects", False, False
    ),
)


# Who may come in by a node port: private networks only. After kube-proxy the source is the node's own address anyway.
PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


def node_port(service: str, port: int | None = None) -> int:
    """The port of `service` on the lab's address; of its first one if `port` names none."""
    return next(exposed.node_port for exposed in EXPOSED if exposed.service == service and port in {None, exposed.port})


NFS_PORT = 2049  # of a machine's /data; reached through its VPN alone


def vpn_net(net: int) -> str:
    """The network of the VPN number `net`."""
    return f"192.168.{net}.0/24"


def vpn_address(net: int, host: int) -> str:
    """A host's address in it: .1 is the gateway, machines are .2 to .49, people's clients .50 to .99."""
    return f"192.168.{net}.{host}"


def vpn_port(net: int) -> int:
    """The UDP port on which WireGuard serves that net."""
    return 51820 + net


REGISTRY_NAME = f"localhost:{node_port('registry')}"  # how images are named where they are pushed and where pods ask for them
PULLED_WITH = "registry"  # in the lessons' namespace: what a pod names under imagePullSecrets


@dataclass(frozen=True, slots=True)
class WebPath:
    """A path behind the ingress; whoever has one also has an edge from the ingress below."""

    path: str
    match: Literal["Prefix", "Exact"]
    leads_to: Endpoint
    login: str


WEB_PATHS = (
    WebPath("/readyz", "Exact", CANARY_STATUS, "none: it says ok, or why not"),
    WebPath("/camunda", "Prefix", CAMUNDA, "its own login"),
    WebPath("/engine-rest", "Prefix", CAMUNDA, "its own login"),
)
INGRESS_HOSTS = ("localhost", "iotlab.localhost", "127.0.0.1")  # what the lab's certificate vouches for
INGRESS_TLS = "ingress-tls"
MQTT_HOSTS = (  # the same for Mosquitto: in the cluster, and on this machine
    *(f"{MOSQUITTO.host}{domain}" for domain in ("", f".{NAMESPACE}", f".{NAMESPACE}.svc", f".{NAMESPACE}.svc.cluster.local")),
    *("localhost", "127.0.0.1"),
)
MQTT_TLS = "mosquitto-tls"
MQTT_AUTHORITY = "mosquitto-authority"  # the Secret for clients in the cluster: the authority alone
CA_KEY = "ca.crt"  # in those Secrets: the authority that a client has to trust
API_PORTS = (443, 6443, 16443)  # of the Kubernetes API: its service's, its own, microk8s'


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic. `spread` topics get the scale's partitions, the others one."""

    name: str
    key: str
    spread: bool
    share: float  # of the scale's Kafka volume; retention is by bytes so that a disk is never full
    purpose: str


SENSOR_DATA = Topic("sensor-data", "car", True, 0.60, "readings of cars, JSON")
BROKER_MESSAGE = Topic("broker_message", "MQTT topic", True, 0.10, "everything on iotkit/#, as published")
FLEET_TRUTH = Topic("fleet-truth", "car", True, 0.02, "wear and failures of simulated cars; spread to join sensor-data")
DEAD_LETTER = Topic("dead-letter", "source topic", False, 0.05, "messages that could not be used, with the reason as header")
CANARY = Topic("lab-canary", "canary", False, 0.01, "the doctor's readings; kept apart so that they leave no trace in data")
IOT = Topic("iot", "device", True, 0.05, "sensor readings of boards as JSON documents")
VERDICTS = Topic("maintenance-verdicts", "incident", False, 0.01, "what technicians found, for learning to take labels from")
BOARD_CANARY = Topic("lab-canary-iotkit", "MQTT topic", False, 0.01, "the doctor's messages as a board, beside broker_message")
CANARY_DONE = Topic(
    "lab-canary-done", "who answers", False, 0.01, "what became of the doctor's messages, told by who dealt with them"
)
TOPICS = (SENSOR_DATA, FLEET_TRUTH, BROKER_MESSAGE, DEAD_LETTER, CANARY, IOT, VERDICTS, BOARD_CANARY, CANARY_DONE)
LANES = (CANARY, BOARD_CANARY, CANARY_DONE)  # of the doctor: no data
CSV_GROUP, PIPE_GROUP, ALERT_GROUP = "iot", "streams-pipe", "alert"  # as lessons name them in kafka-consumer-groups


@dataclass(frozen=True, slots=True)
class Route:
    """What the bridge carries: an MQTT filter to a Kafka topic.

    `key` is `level:-1` (last level of the MQTT topic: the car) or `topic` (the whole MQTT topic).
    """

    mqtt: str
    kafka: Topic
    key: Literal["level:-1", "topic"]


CARS_MQTT = "vehicles/sensor/data"  # + /electric-vehicle-NNNNN
TRUTH_MQTT = "vehicles/truth"  # the same
IOTKIT_MQTT = "iotkit"  # + /<kind> from old boards, /<device>/<kind> from ours
FAN_MQTT = "fan/messages"
CANARY_MQTT = "lab/canary"
BOARD_CANARY_MQTT = "lab-canary-iotkit"  # one level, as iotkit is: what follows is read as <device>/<kind>
FLOW_CANARY_MQTT = "lab/canary-flow"  # carried by Node-RED
DROPS_MQTT = "$SYS/broker/publish/messages/dropped"  # Mosquitto's own: how many, since it started
CAR_CLIENT_ID = "electric-vehicle-{number:05d}"
BOARD_CLIENT_ID = "02-00-5e-00-{high:02x}-{low:02x}"  # like a MAC address, of those that no maker owns
FAN_CLIENT_ID = "fan-{number}"
IOTKIT_ROUTE = Route(f"{IOTKIT_MQTT}/#", BROKER_MESSAGE, "topic")
ROUTES = (
    Route(f"{CARS_MQTT}/#", SENSOR_DATA, "level:-1"),
    Route(f"{TRUTH_MQTT}/#", FLEET_TRUTH, "level:-1"),
    IOTKIT_ROUTE,
    Route(f"{CANARY_MQTT}/#", CANARY, "level:-1"),
    Route(f"{BOARD_CANARY_MQTT}/#", BOARD_CANARY, "topic"),
)


@dataclass(frozen=True, slots=True)
class Series:
    """What the timeseries app writes: a Kafka topic, decoded by `codec`, into an InfluxDB database."""

    topic: Topic
    codec: Literal["car", "iotkit"]
    database: str
    measurement: str
    retention_h: int


CARS_DB = "cars"
IOTKIT_DB = "iotkit"
CANARY_DB = "lab_canary"
SERIES = (
    Series(SENSOR_DATA, "car", CARS_DB, "car", 24 * 7),
    Series(BROKER_MESSAGE, "iotkit", IOTKIT_DB, "iotkit", 24 * 7),
    Series(CANARY, "car", CANARY_DB, "canary", 1),
)
TIMESERIES_GROUP = "timeseries"

# where a technician sees a device's readings: the dashboard iotkit with its variable `device`
DASHBOARD_URL = f"http://localhost:{node_port('grafana')}/d/iotkit?var-device={{device}}"

DATA_CLAIM = "data-claim"  # the volume that notebooks and the CSV consumer share
DATA_PATH = "/data"
CSV_FILE = f"{DATA_PATH}/ml-data.csv"
CANARY_FILE = f"{DATA_PATH}/.{RESERVED_DEVICE}.csv"  # hidden from notebooks; the doctor's last row

# the Python module of each service whose name is a contract; the others are named alike
MODULES = {
    "iot-kafka-consumer": "csv_sink",
    "iot-kafka-pipe": "json_pipe",
    "iot-kafka-alert": "alert_process",
    "process-worker": "process_worker",
}


def module_of(app: str) -> str:
    """The Python module that `app` runs."""
    return MODULES.get(app, app)


INVOICE_PROCESS = "RechnungStep3"
MAINTENANCE_PROCESS = "Maintenance"  # an alert starts one
CANARY_PROCESS = "LabCanary"  # the doctor's alert starts one; it ends at once
BOOK_INVOICE = "book-invoice"  # topics of the engine's external tasks, not of Kafka
PUBLISH_VERDICT = "publish-verdict"

EDGES = (  # who opens a connection to whom: the drawn flow, and all that network policies let through
    ("fleet", MOSQUITTO),
    ("bridge", MOSQUITTO),
    ("bridge", KAFKA),
    ("timeseries", KAFKA),
    ("timeseries", INFLUXDB),
    ("canary", MOSQUITTO),
    ("canary", KAFKA),
    ("canary", INFLUXDB),
    ("iot-kafka-consumer", KAFKA),
    ("iot-kafka-pipe", KAFKA),
    ("iot-kafka-alert", CAMUNDA),
    ("process-worker", CAMUNDA),
    ("iot-kafka-alert", KAFKA),
    ("process-worker", KAFKA),
    ("grafana", INFLUXDB),
    ("ingress", CANARY_STATUS),
    ("ingress", CAMUNDA),
    ("node-red", MOSQUITTO),
    ("node-red", KAFKA),
    ("node-red", CAMUNDA),
    ("jupyter", MOSQUITTO),
    ("jupyter", MOSQUITTO_TLS),
    ("jupyter", KAFKA),
    ("jupyter", INFLUXDB),
    ("jupyter", CAMUNDA),
)

CANARY_HOPS = {"node-red": "node-red", "csv": "iot-kafka-consumer", "alert": "iot-kafka-alert"}  # hop -> who makes it


def clients_of(endpoint: Endpoint) -> list[str]:
    """The apps that may connect to `endpoint`."""
    return [app for app, reached in EDGES if reached == endpoint]


def reached_by(app: str) -> list[Endpoint]:
    """The endpoints that `app` may connect to."""
    return [reached for client, reached in EDGES if client == app]


INGRESS_URL = f"https://{INGRESS_HOSTS[0]}:{node_port('ingress')}"


def dashboard_url(chosen: Collection[str]) -> str:
    """The address of a device's dashboard, a format with {device}; empty where `chosen` has no Grafana."""
    return DASHBOARD_URL if "grafana" in chosen else ""
