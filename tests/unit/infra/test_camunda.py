"""What the program asks of the process engine's chart, told from the pure values."""

from __future__ import annotations

from infra import wiring
from infra.scales import SCALES
from infra.services import camunda
from infra.services.camunda import CamundaArgs
from tests.support.program import IMAGES

ARGS = CamundaArgs(IMAGES["camunda"], SCALES["S"], 3)
VALUES = camunda.values(ARGS, "camunda-users")


def test_the_heap_leaves_what_java_needs_beside_it() -> None:
    limit_mb = VALUES["resources"]["limitMb"]
    assert 300 <= VALUES["heapMb"] <= limit_mb - 250


def test_every_login_has_a_role_and_one_of_them_brings_the_models() -> None:
    assert [user["role"] for user in VALUES["users"]].count("deployer") == 1
    assert {"name": "admin", "role": "admin"} in VALUES["users"]
    assert {"name": "worker", "role": "worker"} in VALUES["users"]


def test_it_lets_in_who_was_drawn_and_calls_nobody() -> None:
    assert set(VALUES["clients"]) == {"iot-kafka-alert", "process-worker", "node-red", "jupyter", "ingress"}
    assert VALUES["egress"] == []


def test_its_port_is_that_of_the_contract_and_open_to_private_networks_only() -> None:
    assert VALUES["external"]["nodePort"] == 30880
    assert VALUES["external"]["sources"] == list(wiring.PRIVATE_NETWORKS)
    assert (wiring.CAMUNDA.address, wiring.CAMUNDA_REST) == ("camunda:8080", "http://camunda:8080/engine-rest")


def test_a_rotation_restarts_it() -> None:
    assert VALUES["secretVersion"] == "3"
