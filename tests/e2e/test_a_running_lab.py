"""What holds in a lab that is up; nothing here stops or harms it."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time

import pytest
import testinfra
import urllib3

from infra import wiring
from infra.lab import probes
from infra.lab.bench import GOAL_MEMORY_MB
from infra.lab.influx import reader
from infra.lab.lab import Lab
from tests.support.lab import ROOT, kubectl, lab, lab_env, lab_json, lab_ok, records, until

pytestmark = pytest.mark.usefixtures("running")


def test_the_doctor_shows_every_hop_with_its_latency() -> None:
    found = lab_json("doctor")
    assert found["ok"], found
    assert [(hop["from"], hop["to"]) for hop in found["hops"]][:3] == [
        ("canary", "mosquitto"),
        ("mosquitto", "kafka"),
        ("kafka", "influxdb"),
    ]
    assert all(0 < hop["latency_ms"] < 10_000 and hop["why"] is None for hop in found["hops"])
    assert {service["name"] for service in found["services"]} >= {"mosquitto", "kafka", "influxdb", "bridge", "timeseries"}


def test_the_doctor_has_a_hop_for_each_service_of_the_teaching_chain() -> None:
    found = lab_json("doctor")
    hops = {hop["name"]: hop for hop in found["hops"]}
    expected = Lab().settings.canary_hops
    assert set(wiring.CANARY_HOPS) & set(hops) == set(expected)
    assert all(hops[name]["ok"] and hops[name]["latency_ms"] < 10_000 for name in expected), found


def test_a_bench_loses_nothing_and_tells_its_lanes_beside_their_goals() -> None:
    found = lab_json("bench", "--seconds", "4", "--rate", "20", "--alert-rate", "2")
    assert found["ok"], found
    lanes = {lane["name"]: lane for lane in found["lanes"]}
    assert {"bridge", *Lab().settings.canary_hops} - {"csv"} == set(lanes)
    assert [lanes["bridge"][key] for key in ("sent", "lost", "twice")] == [80, 0, 0]
    assert all(0 < lane["p50_ms"] <= lane["p99_ms"] <= lane["max_ms"] for lane in lanes.values())


def test_a_services_memory_stands_beside_its_limit_and_the_whole_lab_fits_a_small_machine() -> None:
    found = lab_json("status")
    assert all(0 < pod["memory_mb"] < pod["limit_mb"] for pod in found["services"]), found["services"]
    assert 500 < found["memory_mb"] < GOAL_MEMORY_MB


def test_a_second_up_changes_nothing_and_is_quick() -> None:
    objects = kubectl(
        "get", "deployments,statefulsets,services,configmaps,secrets", "-o", "jsonpath={..metadata.generation}{..uid}"
    )
    started = time.monotonic()
    done = lab("up")
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    assert "nothing changed" in done.stderr
    assert seconds < 60, f"{seconds:.0f} s"
    again = kubectl(
        "get", "deployments,statefulsets,services,configmaps,secrets", "-o", "jsonpath={..metadata.generation}{..uid}"
    )
    assert again == objects


def test_a_plain_pulumi_preview_shows_no_difference() -> None:
    done = subprocess.run(
        ["pulumi", "preview", "-s", "local", "--expect-no-changes", "--non-interactive"],
        cwd=ROOT, env=lab_env(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_node_ports_listen_on_loopback_only() -> None:
    host = testinfra.get_host("local://")
    for port in wiring.EXPOSED:
        assert host.socket(f"tcp://127.0.0.1:{port.node_port}").is_listening
        assert not host.socket(f"tcp://0.0.0.0:{port.node_port}").is_listening


def test_the_printed_login_works_and_nothing_else_does() -> None:
    entry = lab_json("access")["mosquitto"]
    port = wiring.EXPOSED[0].node_port
    assert probes.mqtt_login(port, entry["user"], entry["password"]).accepted is True
    for user, password in ((None, None), ("admin", "admin"), ("mosquitto", "mosquitto"), (entry["user"], "wrong"), ("admin", "")):
        assert probes.mqtt_login(port, user, password).accepted is False, f"{user} got in"


def test_the_doctor_leaves_no_trace_in_data() -> None:
    for _ in range(3):
        assert lab("doctor", "--json").returncode == 0
    for topic in (wiring.SENSOR_DATA, wiring.BROKER_MESSAGE, wiring.IOT, wiring.VERDICTS):
        assert not [record for record in records(topic.name) if wiring.RESERVED_DEVICE in json.dumps(record)], topic.name
    cars = {json.loads(record["value"])["car"] for record in records(wiring.SENSOR_DATA.name) if record["value"].startswith("{")}
    assert cars
    assert all(car.startswith("electric-vehicle-") for car in cars)


def test_the_doctor_leaves_no_row_no_task_and_no_process() -> None:
    settings = Lab().settings
    for _ in range(5):
        assert lab("doctor", "--json").returncode == 0
    if settings.has("iot-kafka-consumer"):
        pod = ("exec", "deployment/iot-kafka-consumer", "--")
        read = "import sys; print(open(sys.argv[1]).read())"
        (row,) = kubectl(*pod, "python", "-c", read, wiring.CANARY_FILE).split()
        assert row not in kubectl(*pod, "python", "-c", read, wiring.CSV_FILE)
    if settings.has("camunda"):
        login = lab_json("access")["camunda"]
        headers = urllib3.make_headers(basic_auth=f"{login['user']}:{login['password']}")
        base = f"http://127.0.0.1:{wiring.node_port('camunda')}/engine-rest"

        def count(kind: str) -> int:
            url = f"{base}/{kind}/count?processDefinitionKey={wiring.CANARY_PROCESS}"
            return int(urllib3.request("GET", url, headers=headers).json()["count"])

        assert count("task") == count("process-instance") == 0
        until(lambda: count("history/process-instance") <= 1)  # the standing canary's, within ten seconds


def test_the_canaries_readings_are_nowhere_among_the_cars_points() -> None:
    assert lab("doctor", "--json").returncode == 0
    with reader(Lab()) as ask:
        tagged = {row["value"] for row in ask(wiring.CARS_DB, "SHOW TAG VALUES WITH KEY = car")}
        measurements = {row["name"] for row in ask(wiring.CARS_DB, "SHOW MEASUREMENTS")}
    assert tagged
    assert {car for car in tagged if not car.startswith("electric-vehicle-")} == set()
    lane = next(series for series in wiring.SERIES if series.topic == wiring.CANARY)
    assert measurements
    assert lane.measurement not in measurements


def test_pods_run_restricted_and_only_those_that_speak_to_the_api_have_a_token() -> None:
    for pod in json.loads(kubectl("get", "pods", "-o", "json"))["items"]:
        speaks = pod["metadata"]["labels"]["app.kubernetes.io/name"] in {"ingress", "jupyter"}
        assert pod["spec"].get("automountServiceAccountToken") is speaks, pod["metadata"]["name"]
    namespace = json.loads(kubectl("get", "namespace", wiring.NAMESPACE, "-o", "json"))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_page_comes_by_tls_from_the_labs_own_authority_and_not_without() -> None:
    authority = json.loads(kubectl("get", "secret", wiring.INGRESS_TLS, "-o", "json"))["data"][wiring.CA_KEY]
    trusted = base64.b64decode(authority).decode()
    port, path = wiring.node_port("ingress"), wiring.WEB_PATHS[0].path
    for host in wiring.INGRESS_HOSTS[::2]:
        assert probes.https(host, port, path, trusted) == probes.Answer(accepted=True, reason=f"{path} answered 200")
    assert probes.https("localhost", port, "/metrics", trusted).accepted is False
    assert probes.plain_http("localhost", port, path).accepted is False
    if Lab().settings.has("camunda"):
        assert probes.https("localhost", port, "/camunda/app/cockpit/default/", trusted).accepted is True
        assert "401" in probes.https("localhost", port, "/engine-rest/engine", trusted).reason
    assert lab_json("access")["ingress"]["url"] == wiring.INGRESS_URL


def test_an_ingress_object_of_a_lesson_is_served_and_taken_away_again() -> None:
    authority = json.loads(kubectl("get", "secret", wiring.INGRESS_TLS, "-o", "json"))["data"][wiring.CA_KEY]
    trusted, port = base64.b64decode(authority).decode(), wiring.node_port("ingress")
    status = wiring.CANARY_STATUS
    kubectl("create", "ingress", "lesson", f"--rule=/healthz={status.host}:{status.port}")
    try:
        until(lambda: probes.https("localhost", port, "/healthz", trusted).accepted is True)
    finally:
        kubectl("delete", "ingress", "lesson")
    until(lambda: probes.https("localhost", port, "/healthz", trusted).accepted is False)


def test_the_tools_of_the_lessons_are_on_the_pods_paths() -> None:
    assert wiring.SENSOR_DATA.name in kubectl(
        "exec", "kafka-0", "--", "kafka-topics.sh", "--bootstrap-server", wiring.KAFKA.address, "--list"
    )
    assert "mosquitto_pub" in kubectl("exec", "mosquitto-0", "-c", "mosquitto", "--", "sh", "-c", "command -v mosquitto_pub")


def test_kubectl_top_tells_what_pods_and_the_node_use() -> None:
    until(lambda: "kafka-0" in _top("pods"), 90.0)  # two measurements have to be there, 15 s apart
    memory_mb = int(next(line.split()[2] for line in _top("pods").splitlines() if line.startswith("kafka-0")).removesuffix("Mi"))
    assert 200 < memory_mb < 900
    assert "%" in _top("nodes")


def _top(what: str) -> str:
    done = subprocess.run(["kubectl", "top", what], env=lab_env(), capture_output=True, text=True, timeout=60, check=False)
    return done.stdout


def test_watch_shows_readings() -> None:
    said = lab_ok("watch", "--seconds", "8")
    last = {"last on MQTT": r"electric-vehicle-\d+: ", "last in InfluxDB": r"electric-vehicle-\d+: "}
    last |= dict.fromkeys(("last in the bridge", "last in Kafka"), r"\S+[-/]\S")  # boards and canaries pass there as well
    for place, reading in last.items():
        assert re.search(rf"{place} +{reading}", said), f"{place}:\n{said}"


def test_a_mistyped_service_is_the_users_fault_and_says_what_there_is() -> None:
    done = lab("logs", "kafak")
    assert done.returncode == 2
    assert "there is no service 'kafak'" in done.stderr
    assert "Traceback" not in done.stderr
