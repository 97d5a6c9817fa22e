"""An image of one's own: built, pushed into the lab's registry, run in a pod of the lessons, and both taken away again."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from infra import wiring
from infra.lab.lab import Lab
from tests.support.lab import kubectl, lab_env, lab_json, until
from tests.support.students import Student

pytestmark = pytest.mark.usefixtures("running")

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
NAME = "tests-own-image"


@pytest.fixture
def login() -> dict[str, str]:
    """What `./lab access` prints."""
    if not Lab().settings.has("registry"):
        pytest.skip("the stack `local` has no registry: add the set lessons to its services")
    entry: dict[str, str] = lab_json("access")["registry"]
    return entry


def ask(method: str, path: str, login: dict[str, str] | None) -> urllib3.BaseHTTPResponse:
    """The registry's answer, as this machine sees it."""
    headers = urllib3.make_headers(basic_auth=f"{login['user']}:{login['password']}") if login else {}
    url = f"http://{wiring.REGISTRY_NAME}/v2/{path}"
    return urllib3.request(method, url, headers=dict(headers) | {"Accept": MANIFEST}, timeout=20, retries=False)


@pytest.fixture
def pushed(login: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The reference of an image that no node has seen; it is deleted from the registry at the end."""
    tag = uuid.uuid4().hex[:12]
    student = Student(tmp_path, wiring.REGISTRY_NAME)
    student.build(f"{NAME}:{tag}")
    assert student.log_in(login["password"]) == ""
    assert student.push(f"{NAME}:{tag}") == ""
    yield f"{wiring.REGISTRY_NAME}/{NAME}:{tag}"
    digest = ask("HEAD", f"{NAME}/manifests/{tag}", login).headers["Docker-Content-Digest"]
    assert ask("DELETE", f"{NAME}/manifests/{digest}", login).status == 202
    assert ask("GET", f"{NAME}/manifests/{tag}", login).status == 404


def pod(image: str, *, named: bool) -> dict[str, Any]:
    """A pod as an exercise writes it."""
    own = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 5,
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "hello", "image": image, "securityContext": own}],
    }
    if named:
        spec["imagePullSecrets"] = [{"name": wiring.PULLED_WITH}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME, "namespace": wiring.LESSONS}, "spec": spec}


@pytest.fixture
def run() -> Iterator[Any]:
    """Makes a pod; the last one is deleted at the end."""

    def apply(described: dict[str, Any]) -> None:
        kubectl("delete", "pod", NAME, "-n", wiring.LESSONS, "--ignore-not-found", timeout_s=90)
        done = subprocess.run(
            ["kubectl", "apply", "-f", "-"],
            env=lab_env(), input=json.dumps(described), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    yield apply
    kubectl("delete", "pod", NAME, "-n", wiring.LESSONS, "--ignore-not-found", timeout_s=90)


def state() -> dict[str, Any]:
    """Of the pod's container."""
    listed = json.loads(kubectl("get", "pod", NAME, "-n", wiring.LESSONS, "-o", "json"))["status"].get("containerStatuses")
    found: dict[str, Any] = listed[0]["state"] if listed else {}
    return found


def test_nobody_looks_into_the_registry_without_the_login(login: dict[str, str]) -> None:
    assert ask("GET", "_catalog", None).status == 401
    assert ask("GET", "_catalog", login | {"password": "wrong"}).status == 401
    assert ask("GET", "_catalog", login).status == 200


def test_an_image_of_ones_own_runs_in_a_pod_that_names_the_pull_secret_and_in_no_other(pushed: str, run: Any) -> None:
    run(pod(pushed, named=False))
    until(lambda: state().get("waiting", {}).get("reason") in {"ErrImagePull", "ImagePullBackOff"}, 60)
    run(pod(pushed, named=True))
    until(lambda: "running" in state(), 60)
