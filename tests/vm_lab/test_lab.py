"""The machine makes itself a lab from the stick alone, and its doctor says so through the gate."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

from infra.cloud import gate
from tests.support.vm import Vm

REBOOTED_WITHIN_S = 20 * 60
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


def test_every_stage_gets_done(lab: gate.StagesNow) -> None:
    assert [stage.name for stage in lab.stages] == ["packages", "data", "vpn", "bundle", "tools", "lab"]
    assert lab.state == "done"


def test_its_doctor_is_green(machine: Vm, lab: gate.StagesNow, session: gate.Session, say: Callable[[str], None]) -> None:
    assert lab.done
    there = gate.lab_of(session)
    assert (there.ok, there.red) == (True, {})
    assert [hop["name"] for hop in there.doctor["hops"]] == ["mqtt", "kafka", "influxdb"]
    say(f"{machine.age_s:.0f} s after power-on its doctor is green, seen through the gate")
    told = gzip.decompress(machine.user_data).decode()
    passwords = [entry["password"] for entry in there.access.values() if "password" in entry]
    assert passwords
    assert not [password for password in passwords if password in told]


def test_tools_know_the_machines_cluster(lab: gate.StagesNow, host: Any) -> None:
    assert lab.done
    nodes = json.loads(host.run("kubectl get nodes -o json").stdout)["items"]
    assert [one["type"] for node in nodes for one in node["status"]["conditions"] if one["status"] == "True"] == ["Ready"]
    assert "mosquitto" in host.run("helm list -A").stdout + host.run("kubectl get pods -A").stdout


def test_a_second_run_of_the_stages_has_nothing_to_do(lab: gate.StagesNow, host: Any) -> None:
    done = host.run("lab-stage run")
    assert (done.rc, done.stdout) == (0, ""), lab.told


def test_after_a_reboot_the_lab_is_up_again_and_no_other_stage_was_run(
    machine: Vm, lab: gate.StagesNow, say: Callable[[str], None]
) -> None:
    with gate.session(machine.door, patience_s=60) as before:
        booted = before.run(BOOT_ID, within_s=60).out
        before.run("sudo systemctl reboot --no-block", within_s=60)
    machine.wait_until("it boots again", lambda: machine.says(BOOT_ID) not in {"", booted}, 600)
    since = machine.age_s
    again = machine.wait_for_stages(REBOOTED_WITHIN_S)
    say(f"{machine.age_s - since:.0f} s after its reboot the lab is up again")
    assert [stage.since for stage in again.stages[:-1]] == [stage.since for stage in lab.stages[:-1]]
    assert again.stages[-1].since > lab.stages[-1].since
    with gate.session(machine.door, patience_s=60) as here:
        there = gate.lab_of(here)
    assert (there.ok, there.red) == (True, {})


def test_a_machine_that_has_expired_switches_itself_off(machine: Vm, lab: gate.StagesNow) -> None:
    assert lab.done
    with gate.session(machine.door, patience_s=60) as here:
        here.run("echo 2020-01-31 | sudo tee /etc/iotlab/expires", within_s=60)
        here.run("sudo systemctl start --no-block iotlab-expiry.service", within_s=60)
    machine.wait_until_off(300)
