"""What holds across `down` and `up`. It stops the lab, so it runs only in a lab that this run started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from infra import wiring
from infra.lab.cluster import leftovers
from infra.lab.influx import reader
from infra.lab.lab import Lab
from infra.lab.paths import Paths
from tests.support.lab import LAB, ROOT, HostTraces, lab_json, lab_ok

pytestmark = pytest.mark.usefixtures("running")

COUNT = "SELECT COUNT(speed) FROM car"


@pytest.fixture(autouse=True)
def _only_in_our_own_lab(ours: bool) -> None:
    if not ours:
        pytest.skip("this lab was up before the tests: stop it (./lab down) to have its restart tested too")


def test_a_part_of_the_cluster_that_dies_comes_back_and_status_says_so() -> None:
    before = _part("kube-scheduler")
    os.kill(before["pid"], signal.SIGKILL)
    for _ in range(60):
        after = _part("kube-scheduler")
        if after["restarts"] > before["restarts"] and after["pid"] is not None:
            return
        time.sleep(0.5)
    pytest.fail(f"not restarted: {after}")


def test_down_leaves_no_trace_and_data_survive(traces_before: HostTraces) -> None:
    stored = _stored_points()
    assert stored > 0
    lab_ok("down")
    assert leftovers.find(Paths.from_environment()) == []
    now = HostTraces.now()
    assert now.links == traces_before.links
    assert now.mounts == traces_before.mounts
    assert now.rules == traces_before.rules
    assert now.cgroups == traces_before.cgroups
    assert now.listening <= traces_before.listening
    lab_ok("up", timeout_s=600)
    assert _stored_points() >= stored


def _part(name: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = lab_json("status")["cluster"]["parts"]
    return next(part for part in parts if part["name"] == name)


def _stored_points() -> int:
    lab = Lab()
    with reader(lab) as ask:
        return int(ask(wiring.CARS_DB, COUNT)[0]["count"])


def test_an_up_that_was_killed_is_gone_on_with() -> None:
    lab_ok("down")
    for after_s in (4.0, 13.0):
        with subprocess.Popen([str(LAB), "up"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
            time.sleep(after_s)
            first.kill()
    lab_ok("up", timeout_s=600)
    assert lab_json("doctor")["ok"]


def test_purge_removes_data_and_stack_state_together_and_up_starts_anew(state: Path) -> None:
    before = lab_json("access")["mosquitto"]["password"]
    lab_ok("down", "--purge")
    assert not (state / "cluster").exists()
    assert not list((state / "pulumi/backend").rglob("*.json"))
    lab_ok("up", timeout_s=600)
    assert lab_json("access")["mosquitto"]["password"] != before
