"""A machine that is not as it should be, case by case: what the `up` says, and that the next one repairs the stack.

The Lab alone, without AWS around it: an `up` takes a second instead of four.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import paramiko
import pytest

from infra.cloud.gate import Door, UnreachableError, fingerprint, lay_down, session, start_stages
from infra.cloud.user_data import cloud_config, packed
from infra.lab.plugins.iotlab.ssh_key import SshKey
from tests.support.cloud_stack import done
from tests.support.engine import Stack
from tests.support.machines import PLAIN
from tests.support.ssh_machine import ADDRESS, RED, SshMachine

PROGRAM = """
import json
from infra.cloud.resources import Lab, LabArgs
given = json.loads(pathlib.Path(__file__).with_name("lab.json").read_text())
lab = Lab("lab", LabArgs(**given))
pulumi.export("doctor", lab.doctor)
"""
SHORT_MIN = 0.03  # of what fails however fast this machine is
FACTS = replace(PLAIN, name="lab")


class OneLab:
    """A stack of one Lab, and its machine."""

    def __init__(self, folder: Path) -> None:
        key = SshKey().made({"comment": "gate"}, print)
        self.facts = replace(FACTS, ssh_keys=(key["public"],))
        (folder / "machine").mkdir()
        (folder / "stack").mkdir()
        self.machine = SshMachine(folder / "machine", lambda: ("i-1", packed(cloud_config(self.facts))))
        self.machine.now()
        self.engine = Stack.make(folder / "stack", "iotlab")
        self.engine.program(PROGRAM)
        self.given: dict[str, Any] = {
            "address": ADDRESS,
            "port": self.machine.port,
            "host_key": self.machine.host_line,
            "private_key": key["private"].value,
            "instance": "i-1",
            "machine_type": "m6i.large",
            "open_ports": [],
        }
        self.days = 0
        self.change()

    @property
    def door(self) -> Door:
        """How it is reached."""
        return Door(ADDRESS, self.machine.port, "ubuntu", self.machine.host_line, self.given["private_key"])

    def another_bundle(self) -> None:
        """Let the next change be one of the bundle, too: two stages are made from it."""
        self.facts = replace(self.facts, bundle=replace(self.facts.bundle, sha256=f"{self.days:064}"))

    def change(self, *, reachable_min: float = 1, stages_min: float = 1, **more: Any) -> None:
        """Tell the machine another day of expiry, so that the next `up` has to go there."""
        self.days += 1
        told = replace(self.facts, expires=f"2099-01-{self.days:02}")
        data = base64.b64encode(packed(cloud_config(told))).decode()
        self.given |= {"user_data": data, "waits_min": [reachable_min, stages_min]} | more
        (self.engine.folder / "program/lab.json").write_text(json.dumps(self.given))

    def begins(self, label: str) -> None:
        """Let the machine take the change by itself, as far as this stage, which hangs; the next `up` finds it there."""
        self.machine.stage(label, hangs=True)
        self.machine.runs()
        with session(self.door) as here:
            lay_down(here, base64.b64decode(self.given["user_data"]))
            start_stages(here)
        begun = self.machine.control / "runs"
        self.machine.until(lambda: begun.exists() and label in begun.read_text())

    def fails(self) -> str:
        """What a failing `up` says."""
        return self.engine.fails("up", "--yes", "--skip-preview")

    def repaired(self) -> None:
        """The next `up` brings what was changed, and the state is content."""
        said = self.engine.up()
        assert self.machine.read("/etc/iotlab/expires") == f"2099-01-{self.days:02}\n"
        assert "doctor: { ok : true red: {} }" in " ".join(said.split())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneLab]:
    one = OneLab(tmp_path_factory.mktemp("one"))
    try:
        one.repaired()
        yield one
    finally:
        one.machine.off()


def test_a_machine_that_never_gets_ready(lab: OneLab) -> None:
    lab.another_bundle()
    lab.change(stages_min=SHORT_MIN)
    lab.begins("90-lab")
    said = lab.fails()
    assert f"the machine {lab.machine.name} ({ADDRESS}) is not ready within 2 s: stage 5 of 5, lab, running" in said
    assert "its last lines: «90-lab begins»" in said
    assert "iotlab:cloud.readyWithinMin" in said
    lab.machine.stage("90-lab")
    lab.change()
    lab.repaired()


def test_a_machine_that_cannot_be_reached(lab: OneLab) -> None:
    lab.machine.off()
    lab.change(reachable_min=SHORT_MIN)
    said = lab.fails()
    assert f"nothing answers at {ADDRESS}:{lab.machine.port} (Connection refused)" in said
    assert "tried for 2 s (iotlab:cloud.reachableWithinMin)" in said
    lab.machine.on()
    lab.change()
    lab.repaired()


def test_another_machine_at_its_address_until_it_is_gone_or_a_person_says_that_it_is_ours(lab: OneLab) -> None:
    right, lab.machine.host_key = lab.machine.host_key, paramiko.RSAKey.generate(2048)
    lab.change()
    said = lab.fails()
    assert fingerprint(lab.given["host_key"]) in said
    assert fingerprint(lab.machine.host_line) in said
    assert "nothing was sent" in said
    assert "write it under iotlab:cloud.hostKeys" in said
    lab.machine.host_key = right
    lab.repaired()
    lab.machine.new_host_key()
    lab.change(host_key=lab.machine.host_line)
    lab.repaired()


def test_a_machine_that_does_not_let_us_in(lab: OneLab) -> None:
    lab.machine.lets_in = False
    lab.change(reachable_min=SHORT_MIN)
    assert "does not let ubuntu in by the stack's own key: /etc/iotlab/authorized_keys lacks it" in lab.fails()
    lab.machine.lets_in = True
    lab.change()
    lab.repaired()


def test_a_connection_that_dies_while_our_key_is_looked_at_says_nothing_of_the_key(
    lab: OneLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab.machine, "knows", lambda _: lab.machine.drop())
    with pytest.raises(UnreachableError, match="broke off while it looked at our key"), session(lab.door):
        pass


def test_a_stage_that_fails(lab: OneLab) -> None:
    lab.machine.stage("60-bundle", fails="one\ntwo\nthe bundle has no checkout\nremedy: make it anew")
    lab.another_bundle()
    lab.change()
    said = lab.fails()
    assert (
        f"the stage bundle of the machine {lab.machine.name} ({ADDRESS}) failed, its last lines: «60-bundle begins / one /"
        in said
    )
    assert "what to do there: make it anew; the next ./lab up goes on with this stage" in said
    lab.machine.stage("60-bundle")
    lab.repaired()


def test_a_disk_that_is_full_when_files_are_laid_down(lab: OneLab) -> None:
    lab.change()
    with lab.machine.full():
        lab.machine.room(3)
        said = lab.fails()
    assert f"the disk of the machine {ADDRESS} is full (3 MB of 38 GB are left): no room for the file /usr/local/" in said
    assert "raise iotlab:cloud.diskGb" in said
    lab.machine.room()
    lab.repaired()


def test_a_disk_that_is_full_for_a_stage(lab: OneLab) -> None:
    for left_mb, line in ((12, "cannot go on"), (900, "tar: No space left on device")):
        lab.machine.stage("60-bundle", fails=line)
        lab.another_bundle()
        lab.machine.room(left_mb)
        lab.change()
        assert f"is full ({left_mb} MB of 38 GB are left): no room for the stage bundle" in lab.fails()
    lab.machine.stage("60-bundle")
    lab.machine.room()
    lab.repaired()


def _meanwhile(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_a_connection_that_breaks_off_and_a_reboot_midway(lab: OneLab) -> None:
    lab.another_bundle()
    lab.change()
    lab.begins("60-bundle")
    waits_for_stages = lab.machine.logins + 2  # the first lays files down

    def break_off() -> None:
        lab.machine.until(lambda: lab.machine.logins == waits_for_stages)
        lab.machine.drop()
        lab.machine.reboot()
        lab.machine.stage("60-bundle")

    thread = _meanwhile(break_off)
    lab.repaired()
    thread.join()
    assert lab.machine.runs() == ["60-bundle", "60-bundle", "90-lab"]


def test_a_red_doctor_is_recorded_and_asked_again(lab: OneLab) -> None:
    lab.machine.says(RED)
    lab.change()
    assert "is up but not healthy: kafka: kafka-0 is not ready; look at ./lab logs kafka" in lab.fails()
    lab.machine.says()
    lab.repaired()
    assert set(done(lab.engine.up())) == {"unchanged"}


def test_a_refresh_sees_a_lab_that_got_ill_and_a_file_that_somebody_changed(lab: OneLab) -> None:
    lab.machine.says(RED)
    assert done(lab.engine.ok("refresh", "--yes", "--skip-preview"))["updated"] == 1
    lab.machine.says()
    (lab.machine.root / "etc/iotlab/expires").write_text("2999-01-01\n")
    assert done(lab.engine.ok("refresh", "--yes", "--skip-preview"))["updated"] == 1
    lab.repaired()


def test_the_stacks_key_is_one_that_ssh_reads() -> None:
    key = SshKey().made({"comment": "gate"}, print)
    read = paramiko.Ed25519Key.from_private_key(io.StringIO(key["private"].value))
    assert key["public"] == f"ssh-ed25519 {read.get_base64()} gate"
