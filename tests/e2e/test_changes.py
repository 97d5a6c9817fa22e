"""Changes that can't work, and changes that must not lose anything. They harm the lab for a moment, so only in our own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import wiring
from tests.support.lab import ROOT, kubectl, lab_env, lab_json, lab_ok

pytestmark = pytest.mark.usefixtures("running")

NO_SUCH_IMAGE = f"localhost/iotlab/apps@sha256:{'0' * 64}"


@pytest.fixture(autouse=True)
def _only_in_our_own_lab(ours: bool) -> None:
    if not ours:
        pytest.skip("this lab was up before the tests: stop it (./lab down) to have changes of it tested too")


def pulumi_up(**changed: Any) -> subprocess.CompletedProcess[str]:
    """A plain `pulumi up` with some configuration changed, as a person with a shell would do it."""
    env = lab_env()
    file = Path(env["PULUMI_OPTION_CONFIG_FILE"])
    stack = yaml.safe_load(file.read_text())
    stack["config"].update({f"iotlab:{key}": value for key, value in changed.items()})
    file.write_text(yaml.safe_dump(stack))
    return subprocess.run(
        ["pulumi", "up", "-s", "local", "--yes", "--skip-preview", "--non-interactive"],
        cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


def uids() -> str:
    return kubectl("get", "pods,configmaps,secrets,services", "-o", "jsonpath={..uid}")


def test_a_value_that_cannot_work_is_refused_before_anything_changes() -> None:
    before = uids()
    done = pulumi_up(scale="XXXL")
    assert done.returncode != 0
    assert "there is no scale 'XXXL'; choose one of" in done.stdout + done.stderr
    assert uids() == before


def test_an_image_that_is_not_there_names_itself_old_pods_serve_on_and_up_repairs() -> None:
    images = yaml.safe_load(Path(lab_env()["PULUMI_OPTION_CONFIG_FILE"]).read_text())["config"]["iotlab:images"]
    done = pulumi_up(images=images | {"apps": NO_SUCH_IMAGE})
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "ErrImagePull" in said or "ImagePullBackOff" in said, said
    assert "Traceback" not in said
    old = [pod for pod in lab_json("status")["services"] if pod["service"] == "timeseries" and pod["ready"]]
    assert old, "the old timeseries pod does not serve any more"
    lab_ok("up", timeout_s=600)
    assert lab_json("doctor")["ok"]


def test_what_somebody_deleted_in_the_cluster_comes_back() -> None:
    kubectl("delete", "deployment/bridge", "service/kafka")
    lab_ok("up", timeout_s=600)
    assert lab_json("doctor")["ok"]


def test_a_topic_that_somebody_deleted_is_told_and_comes_back() -> None:
    topic = wiring.BROKER_MESSAGE.name
    topics = ("exec", "kafka-0", "--", "kafka-topics.sh", "--bootstrap-server", wiring.KAFKA.address)
    kubectl(*topics, "--delete", "--topic", topic, timeout_s=90)
    red = [service for service in lab_json("doctor")["services"] if not service["ok"]]
    assert red == [{"name": "topics", "ok": False, "why": f"kafka has no topic {topic}; run ./lab up"}]
    lab_ok("up", timeout_s=600)
    assert topic in kubectl(*topics, "--list", timeout_s=90).split()
    assert lab_json("doctor")["ok"]


def test_renewed_passwords_reach_every_part_and_data_stay() -> None:
    before = lab_json("access")["mosquitto"]["password"]
    done = pulumi_up(rotation=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab_json("access")["mosquitto"]["password"] != before
    lab_ok("up", timeout_s=600)
    assert lab_json("doctor")["ok"]
