"""A stack ends with labs: the program, the engine and the plugin, through a real SSH server to what the machine says of itself."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.support.cloud_stack import KEY, OTHER_KEY, CloudStack
from tests.support.ssh_machine import ADDRESS, RED

QUIET = {"unchanged"}


def outputs(lab: CloudStack, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.engine.ok("stack", "output", "--json", *words))
    return found


def resource(lab: CloudStack, kind: str) -> dict[str, Any]:
    (found,) = (one for one in lab.engine.resources().values() if one["type"] == f"iotlab:index:{kind}")
    return found


def test_a_stack_ends_with_the_labs_doctor_its_addresses_and_the_kubeconfig_as_a_secret(lab: CloudStack) -> None:
    shown = outputs(lab)
    assert shown["doctor"] == {"lab": {"ok": True, "red": {}}}
    assert shown["services"] == {"lab": {"mosquitto": f"mqtt://{ADDRESS}:31883"}}
    assert shown["kubeconfig"] == "[secret]"
    (cluster,) = yaml.safe_load(outputs(lab, "--show-secrets")["kubeconfig"]["lab"])["clusters"]
    assert cluster["cluster"] == {"server": f"https://{ADDRESS}:16443", "tls-server-name": "kubernetes"}
    stored = json.dumps(lab.engine.resources())
    assert "PRIVATE KEY" not in stored
    assert "made-there" not in stored


def test_the_stacks_own_key_is_among_those_of_the_machine_and_its_host_key_is_what_the_console_showed(lab: CloudStack) -> None:
    keys = lab.account.machine.read("/etc/iotlab/authorized_keys").splitlines()
    assert keys == [KEY, resource(lab, "SshKey")["outputs"]["public"]]
    assert resource(lab, "HostKey")["outputs"]["key"] == lab.account.machine.host_line


def test_a_second_up_asks_the_machine_for_nothing_and_a_refresh_finds_nothing(lab: CloudStack) -> None:
    lab.account.machine.calls()
    assert set(lab.up()) == QUIET
    assert lab.account.machine.calls() == []
    assert set(lab.refresh()) == QUIET
    assert lab.account.machine.calls() == ["lab doctor -s vm --json", "lab access -s vm --json"]


def test_another_day_other_keys_and_another_bundle_reach_the_machine_without_a_new_one(lab: CloudStack, tmp_path: Path) -> None:
    machine, instance = lab.account.machine, lab.machine()["InstanceId"]
    machine.runs()
    later = f"{datetime.now(UTC).date() + timedelta(days=60)}"
    lab.configure(expires=later, sshKeys=[OTHER_KEY])
    lab.up()
    assert machine.read("/etc/iotlab/expires") == f"{later}\n"
    assert OTHER_KEY in machine.read("/etc/iotlab/authorized_keys")
    assert KEY not in machine.read("/etc/iotlab/authorized_keys")
    assert machine.runs() == []  # no stage is made from them
    newer = tmp_path / "newer.tar.zst"
    newer.write_bytes(b"a newer bundle")
    lab.configure(bundle=str(newer))
    lab.up()
    assert hashlib.sha256(newer.read_bytes()).hexdigest() in machine.read("/etc/iotlab/stages/60-bundle.env")
    assert machine.runs() == ["60-bundle", "90-lab"]
    lab.configure(knative=True)
    lab.up()
    assert machine.runs() == ["75-knative"]
    lab.configure(knative=False)
    lab.up()
    assert not (machine.root / "usr/local/lib/iotlab/stages/75-knative.sh").exists()
    assert lab.machine()["InstanceId"] == instance
    assert set(lab.up()) == QUIET


def test_a_failed_stage_fails_the_up_early_with_its_last_lines_and_the_next_up_goes_on(lab: CloudStack) -> None:
    machine = lab.account.machine
    machine.stage("75-knative", fails="kafka-0 does not start\nremedy: sudo lab doctor -s vm")
    lab.configure(knative=True)
    said = lab.engine.fails("up", "--yes", "--skip-preview")
    assert "the stage knative of the machine" in said
    assert "kafka-0 does not start" in said
    assert "what to do there: sudo lab doctor -s vm" in said
    machine.stage("75-knative")
    lab.up()
    assert outputs(lab)["doctor"]["lab"]["ok"]
    assert set(lab.up()) == QUIET


def test_a_refresh_sees_a_lab_that_got_ill_and_the_next_up_says_why_or_finds_it_well(lab: CloudStack) -> None:
    lab.account.machine.says(RED)
    assert lab.refresh()["updated"] == 1
    said = lab.engine.fails("up", "--yes", "--skip-preview")
    assert "is up but not healthy: kafka: kafka-0 is not ready" in said
    lab.account.machine.says()
    assert lab.up()["updated"] == 1
    assert set(lab.up()) == QUIET


def test_a_machine_without_a_host_key_on_its_console_is_waited_for_and_then_asked_again(lab: CloudStack) -> None:
    ec2 = lab.account.client("ec2")
    lab.account.boots = False
    lab.configure(reachableWithinMin=0.02)
    ec2.terminate_instances(InstanceIds=[lab.machine()["InstanceId"]])
    lab.refresh()
    said = lab.engine.fails("up", "--yes", "--skip-preview")
    assert "has shown no host key within 0.02 min" in said
    lab.account.boots = True
    lab.configure(reachableWithinMin=10)
    lab.up()
    assert resource(lab, "HostKey")["outputs"]["key"] == lab.account.machine.host_line
    assert set(lab.up()) == QUIET
