"""A machine in QEMU without hardware virtualisation: kernel, systemd and cloud-init are the real ones, only slow.

It has no network but a port of loopback that leads to its sshd: whatever it becomes, it becomes from its seed and its stick.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.cloud import gate, user_data
from infra.cloud.facts import MachineFacts
from infra.failures import LabError
from infra.lab.plugins.iotlab.host_key import on_console
from tests.support import tools, vm_disk
from tests.support.processes import Process, free_port

MEMORY_MB = 7_168
CORES = 2
# Mitigations guard against neighbours, which an emulated processor hasn't. Its processors' clocks are one, and the kernel's test
# whether they are is too slow to find that out: it would ask a slow device instead at each look at the time.
KERNEL_ARGUMENTS = "root=LABEL=system ro console=ttyS0 mitigations=off tsc=reliable no5lvl"
DRIVE = "format=raw,if=virtio,cache=unsafe,discard=unmap"
DOOR_WITHIN_S = 600.0  # power-on to sshd takes 60 s on two cores of 2026 that do nothing else
LAST_WORDS = 4_000
_Answer = TypeVar("_Answer")


def qemu() -> Path:
    """The emulator, with the firmware that its packages bring."""
    return tools.unpacked("qemu-system-x86", "usr/bin/qemu-system-x86_64")


def new_key() -> tuple[str, str]:
    """An SSH key: private, public."""
    key = Ed25519PrivateKey.generate()
    none = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, none)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


class Vm:
    """One machine, with its media in `folder`."""

    def __init__(self, folder: Path, facts: MachineFacts, private_key: str, bundle: Path | None = None) -> None:
        """The system that never booted stays as it is: what this machine writes lies in a file that ends with it."""
        self.folder = folder
        self.facts = facts
        self.user_data = user_data.packed(user_data.cloud_config(facts))
        self.port = free_port()
        self.since = 0.0
        self._private_key = private_key
        self._console = folder / "console.log"
        self._system = vm_disk.system()
        self._media = [vm_disk.seed(folder, self.user_data, facts.name)] + ([vm_disk.stick(folder, bundle)] if bundle else [])
        self.process = Process("qemu", self._words(qemu()), folder, {"TMPDIR": str(folder)})

    def _words(self, program: Path) -> list[str | Path]:
        share = program.parent.parent / "root/usr/share"
        words: list[str | Path] = ["nice", "-n", "5", "setpriv", "--pdeathsig", "KILL", program]
        words += ["-L", share / "seabios", "-L", share / "qemu", "-machine", "pc", "-accel", "tcg,thread=multi,tb-size=1024"]
        words += ["-cpu", "max", "-smp", str(CORES), "-m", str(MEMORY_MB), "-display", "none", "-nodefaults"]
        words += ["-kernel", self._system / vm_disk.KERNEL, "-initrd", self._system / vm_disk.INITRD]
        words += ["-append", KERNEL_ARGUMENTS, "-serial", f"file:{self._console}", "-device", "virtio-rng-pci"]
        words += ["-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"]
        words += ["-device", "virtio-net-pci,netdev=net"]
        words += ["-drive", f"file={self._system / vm_disk.SYSTEM},snapshot=on,{DRIVE}"]
        for medium in self._media:
            words += ["-drive", f"file={medium},readonly=on,{DRIVE}"]
        return words

    def start(self) -> None:
        """Power on."""
        self.since = time.monotonic()
        self.process.start()

    @property
    def age_s(self) -> float:
        """Seconds since it was switched on."""
        return time.monotonic() - self.since

    @property
    def cpu_s(self) -> float:
        """The processor time that it has taken: unlike its age, it doesn't count what others take of this machine."""
        return sum(psutil.Process(self.process.pid).cpu_times()[:2])

    def console(self) -> str:
        """What it said on its console."""
        return self._console.read_text(errors="replace") if self._console.exists() else ""

    @property
    def door(self) -> gate.Door:
        """The way in, with the host key that its console showed: nobody else can write there."""
        return gate.Door("127.0.0.1", self.port, user_data.LOGIN, on_console(self.console()), self._private_key)

    def wait_for_door(self) -> None:
        """Wait until it shows its host key and lets us in; fail with the end of its console if it does not."""
        self.wait_until("it shows its host key", lambda: bool(on_console(self.console())), DOOR_WITHIN_S)
        self._through_the_gate(lambda: gate.steadily(self.door, DOOR_WITHIN_S, self._look_alive, lambda _: None))

    def wait_for_stages(self, within_s: float) -> gate.StagesNow:
        """Wait until every stage is done."""
        return self._through_the_gate(lambda: gate.wait_for_stages(self.door, within_s, self._look_alive))

    def _through_the_gate(self, asked: Callable[[], _Answer]) -> _Answer:
        try:
            return asked()
        except LabError as failed:
            self.give_up(str(failed))

    def _look_alive(self, _: str) -> None:
        if not self.process.alive:
            self.give_up("the machine ended")

    def says(self, command: str) -> str:
        """What a command says; nothing while the machine can't be reached."""
        try:
            with gate.session(self.door) as here:
                return here.run(command, within_s=60).out
        except gate.GateError:
            return ""

    def wait_until_off(self, within_s: float) -> None:
        """Wait until it has switched itself off."""
        until_s = time.monotonic() + within_s
        while self.process.alive:
            if time.monotonic() > until_s:
                self.give_up(f"it has not switched itself off within {within_s:.0f} s")
            time.sleep(0.5)

    def wait_until(self, what: str, true: Callable[[], bool], within_s: float) -> None:
        """Wait; a machine that ends or is too late fails with its last words."""
        until_s = time.monotonic() + within_s
        while not true():
            self._look_alive(what)
            if time.monotonic() > until_s:
                self.give_up(f"not within {within_s:.0f} s: {what}")
            time.sleep(0.5)

    def give_up(self, why: str) -> NoReturn:
        """Fail with the end of the console."""
        said = self.process.log.read_text(errors="replace")[-1000:] if self.process.log.exists() else ""
        pytest.fail(f"{why} (qemu: {said or 'nothing'})\nThe console's end:\n{self.console()[-LAST_WORDS:]}")

    def close(self) -> None:
        """Power off at once, and remove what was its own."""
        self.process.close()
        shutil.rmtree(self.folder, ignore_errors=True)
