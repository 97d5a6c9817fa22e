"""Every notebook, its exercises solved, runs to its end in the running lab and leaves its plots; a token guards the server."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import urllib3

from infra import wiring
from infra.lab.lab import Lab
from tests.support.lab import kubectl, lab_env, lab_json
from tests.support.notebooks import NAMES, PLOTS, RUNNER, solved

pytestmark = pytest.mark.usefixtures("running")

INSIDE = ("exec", "-i", "jupyter-0", "-c", "jupyter", "--")
A_PICTURE_BYTES = 5_000  # an empty plot has some 3,000
SERVER = f"http://127.0.0.1:{wiring.node_port('jupyter')}"


@pytest.fixture(autouse=True)
def _where_the_lab_has_notebooks() -> None:
    if not Lab().settings.has("jupyter"):
        pytest.skip("the stack `local` has no Jupyter: add the set teaching to its services")


def run_inside(program: str, stdin: str, timeout_s: float = 420) -> subprocess.CompletedProcess[str]:
    """Run a Python program in the server's pod."""
    words = ["kubectl", *INSIDE, "python3", "-c", program]
    return subprocess.run(words, env=lab_env(), input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_to_its_end_and_leaves_its_plots(name: str) -> None:
    if name.startswith("Microservices-BPMN") and not Lab().settings.has("camunda"):
        pytest.skip("this lab has no Camunda: add the service to the stack's services")
    done = run_inside(RUNNER, solved(name))
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["failed"] == {}, "\n".join(found["failed"].values())
    assert set(found["plots"]) == PLOTS[name]
    assert all(size > A_PICTURE_BYTES for size in found["plots"].values()), found["plots"]
    checks = {cell: said for cell, said in found["said"].items() if cell.endswith("-check")}
    assert checks
    assert all(said.startswith("✓ ") for said in checks.values()), checks


def status(path: str, *, token: str | None = None, host: str | None = None) -> int:
    """The server's answer, from outside."""
    headers = ({"Authorization": f"token {token}"} if token is not None else {}) | ({"Host": host} if host else {})
    return urllib3.request("GET", SERVER + path, headers=headers, timeout=20, retries=False).status


def test_only_the_generated_token_opens_the_server() -> None:
    token = lab_json("access")["jupyter"]["password"]
    assert status("/api/contents", token=token) == 200
    for wrong in (None, "", "x" * len(token)):
        assert status("/api/contents", token=wrong) == 403
    assert status("/api/contents", token=token, host="elsewhere.example") == 403


@pytest.mark.parametrize("path", ["/lab/tree/02-2-MLTempHumSensor.ipynb", "/notebooks/Microservices-BPMN-microk8s.ipynb"])
def test_old_links_lead_to_the_notebooks(path: str) -> None:
    assert status(path, token=lab_json("access")["jupyter"]["password"]) == 200


def test_the_token_is_in_no_argument_log_or_environment() -> None:
    token = lab_json("access")["jupyter"]["password"]
    said = run_inside("import glob; [print(open(f, 'rb').read()) for f in glob.glob('/proc/[0-9]*/[ce][mn][dv]*')]", "")
    assert said.returncode == 0, said.stderr
    assert token not in said.stdout
    assert token not in kubectl("logs", "jupyter-0", "--all-containers")


def test_a_server_without_a_token_does_not_start() -> None:
    program = (
        "import os, runpy; os.environ['LAB_TOKEN_FILE'] = '/dev/null'; runpy.run_path('/etc/jupyter/jupyter_server_config.py')"
    )
    done = run_inside(program, "")
    assert done.returncode != 0
    assert "jupyter: the token in /dev/null has 0 characters" in done.stderr


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        ("get pods", True),
        ("get pods --subresource=log", True),
        ("get deployments.apps", True),
        ("get secrets", False),
        ("create pods", False),
        ("create pods --subresource=exec", False),
        (f"create pods -n {wiring.LESSONS}", True),
        (f"create pods --subresource=exec -n {wiring.LESSONS}", True),
        (f"patch deployments.apps --subresource=scale -n {wiring.LESSONS}", True),
        (f"get secrets -n {wiring.LESSONS}", False),
        (f"create rolebindings.rbac.authorization.k8s.io -n {wiring.LESSONS}", False),
        ("list nodes", False),
        ("get secrets -n kube-system", False),
    ],
)
def test_lessons_may_do_what_the_exercises_do_and_no_more(words: str, *, allowed: bool) -> None:
    account = f"system:serviceaccount:{wiring.NAMESPACE}:jupyter"
    done = subprocess.run(
        ["kubectl", "auth", "can-i", *words.split(), f"--as={account}"],
        env=lab_env(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.stdout.strip() == "yes") is allowed, done.stdout + done.stderr


def test_a_changed_notebook_is_kept_and_told(ours: bool) -> None:
    if not ours:
        pytest.skip("this lab was up before the tests, and with it somebody's notebooks")
    file = "/home/lab/work/01-1-MQTT.ipynb"
    change = f"import json; p = '{file}'; n = json.load(open(p)); n['cells'][0]['source'] = '# mine'; json.dump(n, open(p, 'w'))"
    assert run_inside(change, "").returncode == 0
    try:
        kubectl("delete", "pod", "jupyter-0", timeout_s=120)
        kubectl("rollout", "status", "statefulset/jupyter", "--timeout=180s", timeout_s=200)
        assert "01-1-MQTT.ipynb: kept" in kubectl("logs", "jupyter-0", "-c", "provision")
        assert "# mine" in kubectl("exec", "jupyter-0", "-c", "jupyter", "--", "cat", file)
    finally:
        kubectl("exec", "jupyter-0", "-c", "jupyter", "--", "rm", file)
        kubectl(
            "exec",
            "jupyter-0",
            "-c",
            "jupyter",
            "--",
            "python3",
            "/opt/iotlab/provision.py",
            "/opt/iotlab/notebooks",
            "/home/lab",
        )
