"""Jupyter's values: notebooks find exactly the services that are handed in, and no password is among them."""

from __future__ import annotations

import json

import pytest

from infra import accounts, wiring
from infra.scales import SCALES
from infra.services import jupyter
from infra.services._access import Access
from infra.settings import SETS
from infra.wiring import Endpoint
from tests.support.program import SECRET, run_program

ARGS = jupyter.JupyterArgs("jupyter@sha256:0", "apps@sha256:1", SCALES["S"])
ENGINE = Access(Endpoint("process-engine", 8080, "http"), (), "admin", "engine-admin")


def test_a_service_is_found_by_its_address_login_and_file() -> None:
    found = jupyter.env(ARGS, [ENGINE])
    assert {key: value for key, value in found.items() if key.startswith("PROCESS_ENGINE_")} == {
        "PROCESS_ENGINE_ADDRESS": "process-engine:8080",
        "PROCESS_ENGINE_URL": "http://process-engine:8080",
        "PROCESS_ENGINE_USER": "admin",
        "PROCESS_ENGINE_PASSWORD_FILE": "/run/secrets/engine-admin/password",
    }


def test_one_without_a_login_has_an_address_alone_and_one_that_is_not_there_has_nothing() -> None:
    found = jupyter.env(ARGS, [Access(wiring.KAFKA, ())])
    assert {key for key in found if key.startswith("KAFKA_")} == {"KAFKA_ADDRESS", "KAFKA_URL", "KAFKA_TOPIC"}
    assert not [key for key in found if key.startswith(("CAMUNDA", "MOSQUITTO"))]


def test_an_endpoint_with_tls_is_found_beside_the_one_without_and_its_authority_is_mounted() -> None:
    speaks = [Access(wiring.MOSQUITTO, (), "lab", "mosquitto-lab"), Access(wiring.MOSQUITTO_TLS, (), authority="the-authority")]
    found = jupyter.env(ARGS, speaks)
    assert (found["MOSQUITTO_ADDRESS"], found["MOSQUITTO_TLS_ADDRESS"]) == ("mosquitto:1883", "mosquitto:8883")
    assert found["MOSQUITTO_TLS_AUTHORITY_FILE"] == f"/run/secrets/the-authority/{wiring.CA_KEY}"
    assert "MOSQUITTO_TLS_USER" not in found
    assert jupyter.values(ARGS, "jupyter-users", speaks, None)["secrets"] == ["mosquitto-lab", "the-authority"]


def test_what_is_mounted_is_what_is_handed_in() -> None:
    assert jupyter.values(ARGS, "jupyter-users", [ENGINE, Access(wiring.KAFKA, ())], None)["secrets"] == ["engine-admin"]


def test_notebooks_reach_the_services_that_are_handed_in_over_edges_that_are_drawn() -> None:
    _, values = run_program({"services": list(SETS)}).charts()["jupyter"]
    reached = {(one["app"], one["port"]) for one in values["egress"]}
    assert reached == {(endpoint.host, endpoint.port) for endpoint in wiring.reached_by("jupyter")}
    assert values["dataClaim"] == wiring.DATA_CLAIM
    assert values["env"]["CAMUNDA_USER"] == "admin"
    _, alone = run_program({"services": ["core", "jupyter"]}).charts()["jupyter"]
    assert "CAMUNDA_URL" not in alone["env"]
    assert "camunda" not in {one["app"] for one in alone["egress"]}


@pytest.mark.parametrize("scale", sorted(SCALES))
def test_the_token_is_generated_and_the_server_comes_after_it_and_after_the_room_for_lessons(scale: str) -> None:
    recording = run_program({"scale": scale, "services": list(SETS)})
    token = recording.of(SECRET)["jupyter-users"].inputs["stringData"]["value"]
    assert list(token) == [accounts.JUPYTER_USER]
    chart = recording.of("kubernetes:helm.sh/v4:Chart")["jupyter"]
    assert token[accounts.JUPYTER_USER] not in json.dumps(chart.inputs)
    needed = {urn.rsplit("::", 1)[1] for urn in chart.dependencies}
    assert {"jupyter-users", wiring.LESSONS} <= needed


def test_the_room_for_lessons_is_restricted_and_nothing_gets_in_or_out() -> None:
    recording = run_program({"services": list(SETS)})
    space = recording.of("kubernetes:core/v1:Namespace")[wiring.LESSONS]
    assert space.inputs["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    policy = recording.of("kubernetes:networking.k8s.io/v1:NetworkPolicy")[f"{wiring.LESSONS}-default-deny"]
    assert policy.inputs["metadata"]["namespace"] == wiring.LESSONS
    assert policy.inputs["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_a_stack_without_jupyter_has_no_room_for_lessons() -> None:
    assert wiring.LESSONS not in run_program({"services": ["core"]}).of("kubernetes:core/v1:Namespace")
