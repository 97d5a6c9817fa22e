"""Generated passwords are where they belong and nowhere else, and no server lets in whom it does not know (S3, S8)."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest
import urllib3
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from infra import accounts, wiring
from infra.lab import probes
from infra.lab.cluster.layout import KUBELET_PORT
from infra.lab.forwarding import forwarded
from infra.lab.lab import Lab
from tests.support.lab import kubectl, lab_json, lab_ok, until
from tests.support.needles import Needles

pytestmark = pytest.mark.usefixtures("running")

DEFAULTS = ((None, None), ("admin", "admin"), ("root", "root"), ("influx", "influx"), ("admin", ""), ("reader", "wrong"))


@pytest.fixture(scope="module")
def needles(running: None) -> Needles:
    """Every generated password and the certificates' keys."""
    del running
    lab = Lab()
    kube = lab.kube
    secrets = {login.secret for login in accounts.LOGINS if login.secret and lab.settings.has(login.service)}
    named = {f"{name} {key}": value for name in sorted(secrets) for key, value in kube.secret(name).items()}
    assert {name.split()[0] for name in named} >= {"mosquitto-users", "influxdb-users"}
    assert all(len(value) >= 16 for value in named.values())
    keys = {name: kube.secret(name)["tls.key"].splitlines()[1] for name in (wiring.INGRESS_TLS, wiring.MQTT_TLS)}
    return Needles(named | keys)


def test_no_password_is_in_the_stacks_state_its_history_or_a_log(needles: Needles, state: Path) -> None:
    assert needles.in_folder(state / "pulumi/backend") == []
    assert needles.in_folder(state / "logs") == []
    assert needles.in_folder(state / "cluster/logs") == []


def test_no_password_is_in_an_image(needles: Needles) -> None:
    assert needles.in_images(Lab().bundle.manifest().archive) == []


def test_no_password_is_in_a_command_line_or_in_what_a_pod_says(needles: Needles) -> None:
    assert needles.in_command_lines() == []
    for pod in kubectl("get", "pods", "-o", "name").split():
        assert needles.within(kubectl("logs", pod, "--all-containers", "--tail=-1").encode()) == set(), pod


def test_a_password_that_is_somewhere_would_be_found(needles: Needles, tmp_path: Path) -> None:
    secret = json.loads(kubectl("get", "secret", "mosquitto-users", "-o", "json"))["data"]["lab"]
    (tmp_path / "state.json").write_text(json.dumps({"value": secret}))
    assert needles.in_folder(tmp_path) == [f"{tmp_path}/state.json: mosquitto-users lab"]


@pytest.mark.parametrize(("user", "password"), DEFAULTS)
def test_influxdb_lets_in_nobody_without_a_generated_login(user: str | None, password: str | None) -> None:
    headers = urllib3.make_headers(basic_auth=f"{user}:{password}") if user else {}
    with forwarded(Lab(), wiring.INFLUXDB) as port:
        answer = urllib3.request("GET", f"http://127.0.0.1:{port}/query", fields={"q": "SHOW DATABASES"}, headers=headers)
    assert answer.status == 401, answer.data


def test_mqtt_by_tls_asks_for_the_generated_login_and_speaks_nothing_older_than_1_2() -> None:
    entry = lab_json("access")["mosquitto-tls"]
    port, authority = wiring.node_port("mosquitto", wiring.MOSQUITTO_TLS.port), Path(entry["authority"]).read_text()
    assert entry["url"] == f"mqtts://127.0.0.1:{port}"
    assert probes.mqtt_login(port, entry["user"], entry["password"], authority).accepted is True
    for user, password in ((None, None), ("admin", "admin"), ("mosquitto", "mosquitto"), (entry["user"], "wrong"), ("admin", "")):
        assert probes.mqtt_login(port, user, password, authority).accepted is False, f"{user} got in"
    assert probes.old_tls(port).accepted is False
    stranger = Path(lab_json("access")["ingress"]["authority"]).read_text()
    assert probes.mqtt_login(port, entry["user"], entry["password"], stranger).accepted is None


def test_devices_are_heard_by_tls_and_a_cars_topic_stays_closed_to_people() -> None:
    entry = lab_json("access")["mosquitto-tls"]
    heard: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="")
    client.username_pw_set(entry["user"], entry["password"])
    client.tls_set(entry["authority"])
    client.on_message = lambda _client, _data, message: heard.append(message.topic)
    client.connect("127.0.0.1", wiring.node_port("mosquitto", wiring.MOSQUITTO_TLS.port))
    client.loop_start()
    try:
        for branch in (wiring.CARS_MQTT, wiring.IOTKIT_MQTT):
            client.subscribe(f"{branch}/#")
        until(lambda: any(topic.startswith(wiring.CARS_MQTT) for topic in heard))
        client.publish(f"{wiring.CARS_MQTT}/not-mine", b"x", qos=1).wait_for_publish(10)
        by_then = len(heard)  # and nothing of it is forgotten: what is forbidden may come before the answer to its publication
        until(lambda: len(heard) > by_then + 1)
    finally:
        client.disconnect()
        client.loop_stop()
    assert f"{wiring.CARS_MQTT}/not-mine" not in heard


def test_the_clusters_own_servers_answer_nobody_without_a_certificate(state: Path) -> None:
    server = urlsplit(yaml.safe_load((state / "cluster/kubeconfig").read_text())["clusters"][0]["cluster"]["server"])
    assert server.hostname
    assert server.port
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    for port, path in ((server.port, "/api/v1/namespaces"), (server.port, "/version"), (KUBELET_PORT, "/pods")):
        connection = http.client.HTTPSConnection(server.hostname, port, timeout=10, context=unchecked)
        connection.request("GET", path)
        assert connection.getresponse().status == 401, f"{port}{path}"
        connection.close()


def test_access_shows_passwords_and_no_other_verb_does(needles: Needles) -> None:
    assert needles.within(lab_ok("access").encode()) >= {"mosquitto-users lab", "influxdb-users reader"}
    assert needles.within(lab_ok("status").encode()) == set()
    assert needles.within(lab_ok("env").encode()) == set()
