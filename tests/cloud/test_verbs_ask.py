"""Machines asked from here, through the gate: while they are made, when a stage has failed, and when their lab is up."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from tests.support.cloud_lab import CloudLab
from tests.support.processes import wait_until
from tests.support.ssh_machine import ACCESS, ADDRESS, GREEN, RED, SshMachine

STAGE = "55-addons"
RUNS: dict[str, Any] = {
    "ok": True,
    "cluster": None,
    "services": [{"name": "kafka-0", "service": "kafka", "ready": True, "why": None}],
    "missing": [],
    "memory_mb": 2048,
}
LOG = "[pod/kafka-0] started\n"


@pytest.fixture
def machine(filled: CloudLab) -> SshMachine:
    """The machine behind the only address, as its own lab answers."""
    here: SshMachine = filled.account.machine
    if here.control.is_dir():
        (here.control / "status.json").write_text(json.dumps(RUNS))
        (here.control / "logs.json").write_text(LOG)
    return here


def held(machine: SshMachine) -> None:
    """Let the machine's stage hang as soon as the machine is there."""

    def wait() -> None:
        until = time.monotonic() + 60
        while not machine.control.is_dir() and time.monotonic() < until:
            time.sleep(0.002)
        machine.stage(STAGE, hangs=True)

    threading.Thread(target=wait, daemon=True).start()


def test_status_follows_an_up_in_another_terminal_and_tells_the_stage_that_failed(filled: CloudLab, machine: SshMachine) -> None:
    held(machine)
    running = filled.started("up")
    try:
        wait_until("the stage", lambda: f"{STAGE} begins" in filled.run("status").stdout, 90, 0.5)
        found = filled.json("status")["machines"]["lab"]
        assert (found["state"], found["stages"]["done"], found["stages"]["of"]) == ("running", 3, 7)
        assert "3 of 7 stages done; addons: running since" in filled.fails(1, "status")
        machine.stage(STAGE, fails="an image cannot be pulled\nremedy: look at microk8s kubectl get pods -A")
        _, said = running.communicate(timeout=90)
    finally:
        running.kill()
    assert running.returncode == 1
    assert "lab: the stage addons of the machine" in said
    assert "an image cannot be pulled" in said
    assert "What is made already goes on costing" in said
    seen = filled.fails(1, "status")
    assert "addons: failed" in seen
    assert "| an image cannot be pulled what to do: look at microk8s kubectl get pods -A" in seen


def test_the_next_up_goes_on_with_that_stage_and_ends_with_the_doctor(filled: CloudLab, machine: SshMachine) -> None:
    machine.stage(STAGE)
    said = filled.ok("up")
    assert "lab: all 7 stages done" in said
    assert f"lab at {ADDRESS}: doctor all green" in said
    assert f"mosquitto mqtt://{ADDRESS}:31883" in said


def test_status_of_a_machine_that_is_up_tells_its_pods_and_its_doctor(filled: CloudLab, machine: SshMachine) -> None:
    del machine
    said = filled.ok("status")
    assert "7 of 7 stages done" in said
    assert "1 of 1 pods ready, 2,048 MB" in said
    assert "doctor: all green" in said
    found = filled.json("status")
    assert found["ok"]
    assert found["machines"]["lab"]["lab"] == RUNS


def test_doctor_access_and_logs_answer_as_a_local_labs_do(filled: CloudLab, machine: SshMachine) -> None:
    machine.calls()
    assert filled.json("doctor") == GREEN
    assert filled.json("access") == {"mosquitto": ACCESS["mosquitto"] | {"url": f"mqtt://{ADDRESS}:31883"}}
    assert f"mosquitto mqtt://{ADDRESS}:31883 lab made-there" in filled.ok("access")
    assert filled.run("logs kafka", "--tail", "5").stdout == LOG
    assert machine.calls()[-1] == "lab logs kafka --tail=5 -s vm"
    assert f"ssh -t ubuntu@{ADDRESS} lab logs kafka -s vm --follow" in filled.fails(2, "logs kafka", "--follow")
    assert "has no machine 'other': it has lab" in filled.fails(2, "doctor", "--machine", "other")


def test_a_red_lab_is_red_from_here(filled: CloudLab, machine: SshMachine) -> None:
    machine.says(RED)
    try:
        assert "kafka: kafka-0 is not ready; look at ./lab logs kafka" in filled.fails(1, "doctor")
        assert "doctor: red | kafka: kafka-0 is not ready" in filled.fails(1, "status")
    finally:
        machine.says()


def test_another_machine_at_the_address_is_not_asked(filled: CloudLab, machine: SshMachine) -> None:
    ours = machine.host_key
    machine.new_host_key()
    try:
        for verb in ("status", "doctor"):
            assert "answers another machine than ours" in filled.fails(1, verb)
    finally:
        machine.host_key = ours


def test_a_machine_that_is_not_reached_is_a_sentence(filled: CloudLab, machine: SshMachine) -> None:
    machine.off()
    try:
        for verb in ("status", "doctor", "access", "logs kafka"):
            assert "see that the machine runs, that ownerCidr is where you come from" in filled.fails(1, verb)
    finally:
        machine.on()
    assert filled.json("status")["ok"]
