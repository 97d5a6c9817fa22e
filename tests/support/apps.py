"""Our apps as processes, with the environment that the chart would give them."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
import urllib3
from prometheus_client.parser import text_string_to_metric_families

from infra import wiring
from infra.lab.paths import ROOT
from tests.support.brokers import Influx, Kafka, Mosquitto, password_file
from tests.support.fake_camunda import Login
from tests.support.processes import Process, free_port, wait_until


class App(Process):
    """One app; `metric` and `ready` ask its status port."""

    def __init__(self, name: str, folder: Path, env: dict[str, str], *arguments: str) -> None:
        """Nothing runs before `start`."""
        self.status_port = free_port()
        self._pool = urllib3.PoolManager(retries=False, timeout=3.0)
        own = {"METRICS_PORT": str(self.status_port), "PYTHONPATH": str(ROOT / "apps")}
        super().__init__(name, [sys.executable, "-m", name, *arguments], folder, own | env)

    def _get(self, path: str) -> tuple[int, str]:
        try:
            answer = self._pool.request("GET", f"http://127.0.0.1:{self.status_port}{path}")
        except urllib3.exceptions.HTTPError as failed:
            return 0, str(failed)
        return answer.status, answer.data.decode()

    def last(self) -> dict[str, dict[str, str]]:
        """What `/last` tells."""
        status, body = self._get("/last")
        loaded: dict[str, dict[str, str]] = json.loads(body) if status == HTTPStatus.OK else {}
        return loaded

    def why_not_ready(self) -> str | None:
        """None if `/readyz` says ready, else what it says."""
        status, body = self._get("/readyz")
        return None if status == HTTPStatus.OK else body

    def wait_until_ready(self, timeout_s: float = 30.0) -> None:
        """Wait for `/readyz`."""
        wait_until(f"{self.name} is ready", lambda: self.why_not_ready() is None, timeout_s)

    def metric(self, name: str) -> float:
        """The sum of a metric's samples over its labels; NaN, which equals nothing, while the app does not answer."""
        status, body = self._get("/metrics")
        if status != HTTPStatus.OK:
            return math.nan
        samples = [sample for family in text_string_to_metric_families(body) for sample in family.samples]
        return sum(sample.value for sample in samples if sample.name == name)

    def counted(self, name: str) -> float:
        """A metric's sum, as soon as the app answers."""
        wait_until(f"{self.name} tells {name}", lambda: not math.isnan(self.metric(name)))
        return self.metric(name)


@contextmanager
def running(app: App, *, ready: bool = True) -> Iterator[App]:
    """The app while the body runs; it is ended afterwards, whatever it is doing."""
    app.start()
    try:
        if ready:
            app.wait_until_ready()
        yield app
    finally:
        app.close()


@pytest.fixture
def fixture_folder(tmp_path: Path) -> Path:
    """A folder for the apps' logs and password files."""
    folder = tmp_path / "apps"
    folder.mkdir()
    return folder


def bridge(
    folder: Path,
    mosquitto: Mosquitto | Sequence[Mosquitto],
    brokerlist: str,
    topics: dict[str, str],
    dead_letters: str,
    **more: str,
) -> App:
    """A bridge with the lab's routes; `topics` says which topic of this test stands for which of the lab's."""
    if isinstance(mosquitto, Mosquitto):
        where = {"BRIDGE_URI": mosquitto.uri}
    else:
        where = {"BRIDGE_URIS": json.dumps([each.uri for each in mosquitto])}
    routes = [
        {"mqtt": route.mqtt, "kafka": topics[route.kafka.name], "key": route.key}
        for route in wiring.ROUTES
        if route.kafka.name in topics
    ]
    env = {
        "BRIDGE_ID": "bridge",
        "BRIDGE_BROKERLIST": brokerlist,
        "BRIDGE_ROUTES": json.dumps(routes),
        "BRIDGE_USER": "bridge",
        "BRIDGE_PASSWORD_FILE": str(password_file(folder, "bridge")),
        "BRIDGE_DEAD_LETTER_TOPIC": dead_letters,
    }
    return App("bridge", folder, env | where | more)


def timeseries(
    folder: Path, kafka: Kafka, url: str, topics: dict[str, str], dead_letters: str, sample: int = 1, **more: str
) -> App:
    """A timeseries with the lab's series on this test's topics; its group is named after the first of them."""
    series = [
        {"topic": topics[each.topic.name], "codec": each.codec, "database": each.database, "measurement": each.measurement}
        | ({"sample": sample} if each.codec == "car" else {})
        for each in wiring.SERIES
        if each.topic.name in topics
    ]
    env = {
        "TIMESERIES_BROKERLIST": kafka.address,
        "TIMESERIES_GROUP": f"{wiring.TIMESERIES_GROUP}-{series[0]['topic']}",
        "TIMESERIES_SERIES": json.dumps(series),
        "TIMESERIES_INFLUX_URL": url,
        "TIMESERIES_INFLUX_USER": "timeseries",
        "TIMESERIES_INFLUX_PASSWORD_FILE": str(password_file(folder, "timeseries")),
        "TIMESERIES_DEAD_LETTER_TOPIC": dead_letters,
    }
    return App("timeseries", folder, env | more)


def fleet(folder: Path, mosquitto: Mosquitto, cars: int, interval_s: float, **more: str) -> App:
    """Simulated cars, and what `more` says."""
    env = {
        "FLEET_URI": mosquitto.uri,
        "FLEET_TOPIC": wiring.CARS_MQTT,
        "FLEET_TRUTH_TOPIC": wiring.TRUTH_MQTT,
        "FLEET_CLIENT_ID": wiring.CAR_CLIENT_ID,
        "FLEET_CARS": str(cars),
        "FLEET_INTERVAL_S": str(interval_s),
        "FLEET_IOTKIT_TOPIC": wiring.IOTKIT_MQTT,
        "FLEET_IOTKIT_CLIENT_ID": wiring.BOARD_CLIENT_ID,
        "FLEET_FAN_TOPIC": wiring.FAN_MQTT,
        "FLEET_FAN_CLIENT_ID": wiring.FAN_CLIENT_ID,
        "FLEET_USER": "fleet",
        "FLEET_PASSWORD_FILE": str(password_file(folder, "fleet")),
    }
    return App("fleet", folder, env | more)


def canary(folder: Path, mosquitto: Mosquitto, kafka: Kafka, influx: Influx, topic: str, *arguments: str, **more: str) -> App:
    """A canary on this test's topic."""
    series = next(each for each in wiring.SERIES if each.database == wiring.CANARY_DB)
    env = {
        "CANARY_DEVICE": wiring.RESERVED_DEVICE,
        "CANARY_MQTT_URI": mosquitto.uri,
        "CANARY_MQTT_URIS": json.dumps([mosquitto.uri]),
        "CANARY_DROPS_TOPIC": wiring.DROPS_MQTT,
        "CANARY_MQTT_TOPIC": wiring.CANARY_MQTT,
        "CANARY_MQTT_USER": "canary",
        "CANARY_MQTT_PASSWORD_FILE": str(password_file(folder, "canary")),
        "CANARY_BROKERLIST": kafka.address,
        "CANARY_KAFKA_TOPIC": topic,
        "CANARY_INFLUX_URL": influx.url,
        "CANARY_INFLUX_USER": "canary",
        "CANARY_INFLUX_PASSWORD_FILE": str(password_file(folder, "canary")),
        "CANARY_DATABASE": wiring.CANARY_DB,
        "CANARY_MEASUREMENT": series.measurement,
    }
    return App("canary", folder, env | more, *arguments)


def _consumer(module: str, group: str, kafka: Kafka, topic: str, dead_letters: str) -> dict[str, str]:
    prefix = module.upper()
    return {
        f"{prefix}_BROKERLIST": kafka.address,
        f"{prefix}_GROUP": f"{group}-{topic}",
        f"{prefix}_TOPIC": topic,
        f"{prefix}_DEAD_LETTER_TOPIC": dead_letters,
    }


def _camunda(module: str, folder: Path, camunda: Login) -> dict[str, str]:
    url, user, password = camunda
    file = folder / "password-camunda"
    file.write_text(password)
    prefix = module.upper()
    return {f"{prefix}_CAMUNDA_URL": url, f"{prefix}_CAMUNDA_USER": user, f"{prefix}_CAMUNDA_PASSWORD_FILE": str(file)}


def csv_sink(folder: Path, kafka: Kafka, topic: str, dead_letters: str, file: Path, **more: str) -> App:
    """Rows in `file`."""
    env = _consumer("csv_sink", wiring.CSV_GROUP, kafka, topic, dead_letters)
    return App("csv_sink", folder, env | {"CSV_SINK_FILE": str(file)} | more)


def json_pipe(folder: Path, kafka: Kafka, topic: str, output: str, dead_letters: str, **more: str) -> App:
    """Documents on `output`."""
    env = _consumer("json_pipe", wiring.PIPE_GROUP, kafka, topic, dead_letters)
    return App("json_pipe", folder, env | {"JSON_PIPE_OUTPUT_TOPIC": output} | more)


def alert_process(folder: Path, kafka: Kafka, topic: str, dead_letters: str, camunda: Login, **more: str) -> App:
    """Processes in `camunda`; all alerts of a test are of one window."""
    env = _consumer("alert_process", wiring.ALERT_GROUP, kafka, topic, dead_letters) | _camunda("alert_process", folder, camunda)
    told = {"ALERT_PROCESS_PROCESS": wiring.MAINTENANCE_PROCESS, "ALERT_PROCESS_DASHBOARD": wiring.DASHBOARD_URL}
    return App("alert_process", folder, env | told | {"ALERT_PROCESS_WINDOW_S": "86400"} | more)


def process_worker(folder: Path, brokerlist: str, topic: str, camunda: Login, **more: str) -> App:
    """A worker of `camunda`."""
    env = {
        "PROCESS_WORKER_BROKERLIST": brokerlist,
        "PROCESS_WORKER_VERDICT_TOPIC": topic,
        "PROCESS_WORKER_INVOICE_TASK": wiring.BOOK_INVOICE,
        "PROCESS_WORKER_VERDICT_TASK": wiring.PUBLISH_VERDICT,
        "PROCESS_WORKER_POLL_S": "1",
    }
    return App("process_worker", folder, _camunda("process_worker", folder, camunda) | env | more)
