"""The embedded cluster, given to a second stack by its kubeconfig alone: all that looks into a lab works the same way there.

Nothing is filled twice: the second stack has a state of its own, so it only looks and previews.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra.lab.paths import Paths
from tests.support.lab import LAB, ROOT, lab, lab_json

STACK = "given-by-test"
FILE = ROOT / f"Pulumi.{STACK}.yaml"


@pytest.fixture(autouse=True)
def _only_in_our_own_lab(ours: bool) -> None:
    if not ours:
        pytest.skip("this lab was up before the tests: stop it (./lab down) to have it given to a second stack too")


@pytest.fixture(scope="module", autouse=True)
def _given(running: None, state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A stack whose cluster is the running one, in a state folder of its own."""
    del running
    kubeconfig = Paths(state, state).kubeconfig
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IOTLAB_STATE", str(tmp_path_factory.mktemp("given")))
        FILE.write_text(yaml.safe_dump({"config": {"iotlab:kubeconfig": str(kubeconfig)}}))
        try:
            yield
        finally:
            FILE.unlink()


def test_the_doctor_reaches_mqtt_through_the_api_server() -> None:
    found = lab_json("doctor", "--stack", STACK)
    assert found["ok"], found
    assert "mosquitto from outside refuses anonymous" in {service["name"] for service in found["services"]}


def test_status_access_logs_and_watch_work_without_a_cluster_of_the_labs_own() -> None:
    status = lab_json("status", "--stack", STACK)
    assert status["ok"], status
    assert status["cluster"] is None
    entry = lab_json("access", "--stack", STACK)["mosquitto"]
    assert entry["url"].startswith("mqtt://mosquitto:")
    assert "kubectl port-forward service/mosquitto" in lab("access", "--stack", STACK).stdout
    assert lab("logs", "bridge", "--stack", STACK, "--tail", "5").stdout.strip()
    assert "electric-vehicle-" in lab("watch", "--stack", STACK, "--seconds", "8").stdout


def test_a_preview_sees_the_cluster_and_takes_nothing_over_from_the_stack_that_filled_it() -> None:
    script = f'eval "$({LAB} env --stack {STACK})" && pulumi preview -s {STACK} --non-interactive'
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )
    said = " ".join((done.stdout + done.stderr).split())
    # The first refusal ends the preview; which charts it has come to by then is not always the same.
    assert "kubernetes:helm.sh/v4:Chart" in said
    assert " to create" in said
    # An empty list of rules is stored as none, so it is the one value of ours that the other stack's differs from.
    assert done.returncode != 0
    assert "was set to another value by pulumi-kubernetes-" in said


def test_down_leaves_it_standing_and_says_what_to_run() -> None:
    done = lab("down", "--stack", STACK)
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert "is not the lab's to stop" in said
    assert f"pulumi destroy -s {STACK}" in said
    assert lab_json("status", "--stack", STACK)["ok"]


def test_a_cluster_that_does_not_answer_is_the_users_to_start(tmp_path: Path) -> None:
    config = yaml.safe_load(Path(yaml.safe_load(FILE.read_text())["config"]["iotlab:kubeconfig"]).read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "silent").write_text(yaml.safe_dump(config))
    before = FILE.read_text()
    FILE.write_text(yaml.safe_dump({"config": {"iotlab:kubeconfig": str(tmp_path / "silent")}}))
    try:
        done = lab("up", "--stack", STACK)
    finally:
        FILE.write_text(before)
    assert done.returncode == 2
    assert "gives no answer" in " ".join(done.stderr.split())
