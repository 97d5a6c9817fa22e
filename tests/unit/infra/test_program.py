"""What the program asks the engine for, recorded by mocks: who depends on whom, and where the passwords are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra import accounts, mqtt_shards, wiring
from infra.scales import FLEET_SIZES, SCALES, FleetSize, Scale
from infra.services import _release, ingress, kafka
from infra.settings import NEEDS, SETS
from tests.support.program import (
    CERTIFICATE,
    CHART,
    IMAGES,
    PASSWORD,
    SECRET,
    SECRET_MARK,
    Recording,
    generated,
    run_program,
)

SHARE_A_LOGIN = {"iot-kafka-alert", "process-worker"}  # Camunda's worker: what either may do, both may
NAMESPACE = "kubernetes:core/v1:Namespace"
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"


def program(scale: str = "S") -> Recording:
    return run_program({"scale": scale})


def _names(urns: tuple[str, ...]) -> set[str]:
    return {urn.rsplit("::", 1)[1] for urn in urns}


@pytest.mark.parametrize("scale", sorted(SCALES))
def test_every_service_is_one_release_of_a_chart_that_exists(scale: str) -> None:
    charts = program(scale).of(CHART)
    assert set(charts) == set(NEEDS)
    for name, chart in charts.items():
        assert chart.inputs["name"] == name
        assert chart.inputs["namespace"] == wiring.NAMESPACE
        assert (Path(chart.inputs["chart"]) / "Chart.yaml").is_file()


def test_no_value_of_a_chart_is_unknown_or_secret() -> None:
    for name, chart in program().of(CHART).items():
        text = json.dumps(chart.inputs)
        assert SECRET_MARK not in text, name
        assert "generated-for-" not in text, name


def _within_pull_secret(text: str) -> list[str]:
    return [login["password"] for login in json.loads(text)["auths"].values()]


def test_every_generated_password_is_in_a_secret_and_nowhere_else() -> None:
    recording = program()
    passwords = {generated(name, "value") for name in recording.of(PASSWORD)}
    passwords |= {generated(name, output) for name in recording.of(CERTIFICATE) for output in ("certificate", "key", "ca")}
    kept: set[str] = set()
    for secret in recording.of(SECRET).values():
        data = secret.inputs["stringData"]
        assert SECRET_MARK in data, f"{secret.name} is written into the state as plain text"
        for text in data["value"].values():
            kept |= set(_within_pull_secret(text)) if "dockerconfigjson" in secret.inputs.get("type", "") else {text}
    assert kept == passwords
    others = [asked for asked in recording.asked if asked.type not in {SECRET, PASSWORD, CERTIFICATE}]
    assert not [asked.name for asked in others if any(password in json.dumps(asked.inputs) for password in passwords)]


def test_the_bridge_reads_every_shard_of_mosquitto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCALES, "three", replace(SCALES["S"], name="three", mqtt_shards=3))
    _, values = program("three").charts()["bridge"]
    ports = (wiring.MOSQUITTO.port, mqtt_shards.PORT + 1, mqtt_shards.PORT + 2)
    assert json.loads(values["env"]["BRIDGE_URIS"]) == [f"tcp://mosquitto:{port}" for port in ports]
    assert {"app": "mosquitto", "port": wiring.MOSQUITTO.port} in values["egress"], "policies count the pod's port: one for all"
    assert values["strategy"] == "RollingUpdate", "nobody waits for an upgrade"
    _, watching = program("three").charts()["canary"]
    assert json.loads(watching["env"]["CANARY_MQTT_URIS"]) == [f"tcp://mosquitto:{port}" for port in ports]


def test_several_bridges_share_the_shards_out_and_are_one_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCALES, "two", replace(SCALES["S"], name="two", mqtt_shards=5, bridges=2))
    found = {name: values for name, (_, values) in program("two").charts().items() if values.get("module") == "bridge"}
    assert set(found) == {"bridge", "bridge-1"}
    read = [json.loads(found[name]["env"]["BRIDGE_URIS"]) for name in ("bridge", "bridge-1")]
    assert read == [[shard.url for shard in share] for share in mqtt_shards.shares(5, 2)]
    assert sorted(read[0] + read[1]) == sorted(shard.url for shard in mqtt_shards.endpoints(5)), "each shard is read once"
    shared = [{key: value for key, value in values["env"].items() if key != "BRIDGE_URIS"} for values in found.values()]
    assert shared[0] == shared[1], "the session at a shard stays the same, whichever of them reads it"
    for key in ("memberOf", "egress", "clients", "secrets", "resources"):
        assert found["bridge"][key] == found["bridge-1"][key]
    assert found["bridge"]["memberOf"] == "bridge"
    assert program().charts()["bridge"][1]["memberOf"] == ""


@pytest.mark.parametrize("size", [*FLEET_SIZES.values(), *SCALES.values()])
def test_no_bridge_is_without_a_shard(size: FleetSize | Scale) -> None:
    assert 1 <= size.bridges <= size.mqtt_shards


def test_notebooks_have_the_logins_of_people_and_no_other() -> None:
    _, values = program().charts()["jupyter"]
    people = {f"{login.service}-{login.user}" for login in accounts.LOGINS}
    assert set(values["secrets"]) <= people | {wiring.MQTT_AUTHORITY}
    assert list(program().of(SECRET)[wiring.MQTT_AUTHORITY].inputs["stringData"]["value"]) == [wiring.CA_KEY]
    assert values["env"]["MOSQUITTO_USER"] == "lab"
    assert values["env"]["LESSON_IMAGE"] == IMAGES["apps"]


def test_an_app_is_given_its_own_password_and_no_other() -> None:
    secrets = program().of(SECRET)
    for name, (chart, values) in program().charts().items():
        if name == "jupyter":
            continue  # the test above
        for used in values.get("secrets", []):
            assert chart == "app"
            assert used.endswith(f"-{name}") or (used == "camunda-worker" and name in SHARE_A_LOGIN)
            assert list(secrets[used].inputs["stringData"]["value"]) == ["password"]


def test_each_login_of_the_wiring_has_a_password_and_is_known_to_its_server() -> None:
    secrets = program().of(SECRET)
    users = {user.name for user in accounts.MQTT_USERS}
    assert set(secrets["mosquitto-users"].inputs["stringData"]["value"]) == users
    camunda = {user.name for user in accounts.CAMUNDA_USERS}
    assert set(secrets["camunda-users"].inputs["stringData"]["value"]) == camunda
    influx = {accounts.INFLUX_ADMIN, *(user.name for user in accounts.INFLUX_USERS)}
    assert set(secrets["influxdb-users"].inputs["stringData"]["value"]) == influx


def test_a_chart_comes_after_the_secrets_that_it_mounts() -> None:
    for chart in program().of(CHART).values():
        values: dict[str, Any] = chart.inputs["values"]
        mounted = (
            set(values.get("secrets", [])) | {values["existingSecret"]}
            if "existingSecret" in values
            else set(values.get("secrets", []))
        )
        assert mounted <= _names(chart.dependencies), chart.name


def test_every_component_comes_after_the_namespace_which_is_restricted() -> None:
    recording = program()
    space = recording.of(NAMESPACE)[wiring.NAMESPACE]
    labels = space.inputs["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for chart in recording.of(CHART).values():
        component = next(asked for asked in recording.asked if asked.urn == chart.parent)
        assert wiring.NAMESPACE in _names(component.dependencies), component.name


def test_a_raised_rotation_restarts_whoever_reads_a_password() -> None:
    before, after = program().charts(), run_program({"rotation": 2}).charts()
    for name, (chart, values) in after.items():
        if chart not in {"kafka", "ingress", "headlamp"}:  # no login of theirs, or a new certificate is read without a restart
            assert values["secretVersion"] != before[name][1]["secretVersion"], name


def test_images_are_those_of_the_configuration() -> None:
    for name, (chart, values) in program().charts().items():
        assert values["image"] == IMAGES["apps" if chart == "app" else chart], name


@pytest.mark.parametrize("scale", sorted(SCALES))
def test_the_topics_fit_into_the_volume_with_the_segments_being_written(scale: str) -> None:
    size = SCALES[scale]
    topics = kafka.topics(size)
    bytes_kept = sum(topic["partitions"] * topic["retentionBytes"] * 1.25 for topic in topics)
    assert bytes_kept <= size.kafka_volume_gb * 2**30 * 0.9
    assert {topic["name"] for topic in topics} == {topic.name for topic in wiring.TOPICS}


def test_the_shared_volume_is_kept_and_nobody_waits_for_it_and_its_mount_comes_after_it() -> None:
    recording = program()
    (claim,) = recording.of(CLAIM).values()
    assert claim.name == wiring.DATA_CLAIM
    assert claim.retained
    assert claim.inputs["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}
    for name, (_, values) in recording.charts().items():
        if values.get("claims"):
            assert values["claims"] == [{"name": wiring.DATA_CLAIM, "path": wiring.DATA_PATH}]
            assert wiring.DATA_CLAIM in _names(recording.of(CHART)[name].dependencies)


def test_a_lab_without_notebooks_and_consumers_has_no_shared_volume() -> None:
    assert run_program({"services": ["core"]}).of(CLAIM) == {}


def test_devices_of_the_configuration_lie_over_those_of_the_scale() -> None:
    _, values = run_program({"services": ["mosquitto", "fleet"], "devices": {"iotkit": 5, "fan": 2}}).charts()["fleet"]
    assert [values["env"][f"FLEET_{name}"] for name in ("CARS", "IOTKIT", "FANS")] == ["25", "5", "2"]


@pytest.mark.parametrize(
    ("services", "buries"),
    [
        (("core", "teaching"), {"timeseries", "iot-kafka-alert"}),
        (("kafka", "mosquitto", "bridge", "iot-kafka-consumer", "iot-kafka-pipe"), {"iot-kafka-consumer"}),
        (("kafka", "mosquitto", "bridge", "iot-kafka-pipe"), {"iot-kafka-pipe"}),
    ],
    ids=["all", "without timeseries", "pipe alone"],
)
def test_one_of_those_who_read_sensors_lines_buries_what_is_none(services: tuple[str, ...], buries: set[str]) -> None:
    charts = run_program({"services": services}).charts()
    readers = [name for name in ("timeseries", *wiring.MODULES) if name in charts and name != "process-worker"]
    graves = {name: charts[name][1]["env"][f"{wiring.module_of(name).upper()}_DEAD_LETTER_TOPIC"] for name in readers}
    assert {name for name, topic in graves.items() if topic} == buries


def test_a_service_that_was_not_chosen_is_not_installed() -> None:
    recording = run_program({"services": ["mosquitto", "fleet"]})
    assert set(recording.of(CHART)) == {"mosquitto", "fleet"}


def test_a_service_without_its_upstream_image_is_not_installed_and_the_others_are() -> None:
    images = {name: reference for name, reference in IMAGES.items() if name != "grafana"}
    recording = run_program({"services": ["core", "observing"], "images": images})
    assert set(recording.of(CHART)) == set(SETS["core"])


def test_grafana_reads_with_the_login_that_can_do_nothing_else() -> None:
    _, values = program().charts()["grafana"]
    reader = next(user for user in accounts.INFLUX_USERS if user.name == values["influxdb"]["user"])
    assert reader.write == ()
    assert {database["name"] for database in values["influxdb"]["databases"]} <= set(reader.read)
    secrets = program().of(SECRET)
    assert list(secrets[values["influxdb"]["secret"]].inputs["stringData"]["value"]) == ["password"]
    assert list(secrets[values["existingSecret"]].inputs["stringData"]["value"]) == [values["admin"]]


def test_pods_of_the_lessons_pull_with_the_login_that_people_push_with() -> None:
    recording = program()
    pull = recording.of(SECRET)[f"{wiring.LESSONS}-{wiring.PULLED_WITH}"]
    assert pull.inputs["metadata"] == {"name": wiring.PULLED_WITH, "namespace": wiring.LESSONS}
    ((host, login),) = json.loads(pull.inputs["stringData"]["value"][".dockerconfigjson"])["auths"].items()
    assert host == wiring.REGISTRY_NAME
    assert login["password"] in recording.of(SECRET)["registry-users"].inputs["stringData"]["value"].values()
    assert "lessons" in _names(pull.dependencies)


def test_what_grafana_encrypts_with_is_never_renewed() -> None:
    for rotation in (1, 2):
        made = run_program({"rotation": rotation}).of(PASSWORD)["grafana-key"]
        assert made.inputs["rotation"] == 0


def test_an_output_among_the_values_is_refused_with_its_place() -> None:
    parent = pulumi.ComponentResource.__new__(pulumi.ComponentResource)
    later = pulumi.Output.__new__(pulumi.Output)
    with pytest.raises(TypeError, match=r"values\.env\.PASSWORD"):
        _release.release("bridge", "app", {"env": {"PASSWORD": later}}, parent)


def test_certificates_are_for_the_labs_own_hosts_and_those_of_the_stack_and_renewed_by_the_same_counter() -> None:
    own = {"ingress": list(wiring.INGRESS_HOSTS), "mosquitto": list(wiring.MQTT_HOSTS)}
    for rotation in (1, 2):
        made = run_program({"rotation": rotation}).of(CERTIFICATE)
        assert {name: one.inputs["hosts"] for name, one in made.items()} == own
        assert {one.inputs["rotation"] for one in made.values()} == {rotation}
    named = ["lab.example", "192.0.2.7"]
    made = run_program({"hosts": named, "deviceAddress": "192.168.1.4"}).of(CERTIFICATE)
    assert made["ingress"].inputs["hosts"] == own["ingress"] + named  # boards don't come in there
    assert made["mosquitto"].inputs["hosts"] == [*own["mosquitto"], *named, "192.168.1.4"]


@pytest.mark.parametrize(("service", "name"), [("ingress", wiring.INGRESS_TLS), ("mosquitto", wiring.MQTT_TLS)])
def test_a_certificate_is_in_a_secret_that_its_server_mounts(service: str, name: str) -> None:
    secret = program().of(SECRET)[name]
    assert secret.inputs["type"] == "kubernetes.io/tls"
    assert set(secret.inputs["stringData"]["value"]) == {"tls.crt", "tls.key", wiring.CA_KEY}
    assert program().charts()[service][1]["tlsSecret"] == name
    assert name in _names(program().of(CHART)[service].dependencies)


def test_every_path_of_the_wiring_is_routed_over_an_edge_that_is_drawn() -> None:
    _, values = program().charts()["ingress"]
    routed = {(route["service"], path["path"]) for route in values["routes"] for path in route["paths"]}
    assert routed == {(web.leads_to.host, web.path) for web in wiring.WEB_PATHS}
    assert {web.leads_to for web in wiring.WEB_PATHS} == set(wiring.reached_by("ingress"))


def test_an_ingress_without_services_behind_it_has_no_routes() -> None:
    assert ingress.routes([]) == []
    assert run_program({"services": ["ingress"]}).charts()["ingress"][1]["routes"] == []
