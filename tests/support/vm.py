"""A machine in QEMU without hardware virtualisation: the kernel, systemd and cloud-init are real, only slow.

It has no network but a port of loopback that leads to its sshd: whatever it becomes, it becomes from its seed and its stick.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import tools, vm_disk
from tests.support.processes import Process, free_port

MEMORY_MB = 7_168
CORES = 2
# mitigations guard against neighbours that an emulated processor doesn't have, and cost it much
KERNEL_ARGUMENTS = "root=LABEL=system ro console=ttyS0 mitigations=off"
DRIVE = "format=raw,if=virtio,cache=unsafe,discard=unmap"
LAST_WORDS = 4_000


def qemu() -> Path:
    """The emulator, with the firmware that its packages bring."""
    return tools.unpacked("qemu-system-x86", "usr/bin/qemu-system-x86_64")


class Vm:
    """One machine, with its disks in `folder`."""

    def __init__(self, folder: Path, name: str, user_data: bytes, bundle: Path | None) -> None:
        """The system that never booted stays as it is: what this machine writes lies in a file that ends with it."""
        self.folder = folder
        self.name = name
        self.port = free_port()
        self.console_log = folder / "console.log"
        self.system = vm_disk.system()
        self.media = [vm_disk.seed(folder, user_data, name)] + ([vm_disk.stick(folder, bundle)] if bundle else [])
        self.process = Process("qemu", self._words(qemu()), folder, {"TMPDIR": str(folder)})
        self.since = 0.0

    def _words(self, program: Path) -> list[str | Path]:
        share = program.parent.parent / "root/usr/share"
        words: list[str | Path] = ["nice", "-n", "5", "setpriv", "--pdeathsig", "KILL", program]
        words += ["-L", share / "seabios", "-L", share / "qemu", "-machine", "pc", "-accel", "tcg,thread=multi,tb-size=1024"]
        words += ["-cpu", "max", "-smp", str(CORES), "-m", str(MEMORY_MB), "-display", "none", "-nodefaults"]
        words += ["-kernel", self.system / vm_disk.KERNEL, "-initrd", self.system / vm_disk.INITRD, "-append", KERNEL_ARGUMENTS]
        words += ["-serial", f"file:{self.console_log}", "-device", "virtio-rng-pci"]
        words += ["-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22", "-device", "virtio-net-pci,netdev=net"]
        words += ["-drive", f"file={self.system / vm_disk.SYSTEM},snapshot=on,{DRIVE}"]
        for medium in self.media:
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

    def console(self) -> str:
        """What it said on its console."""
        return self.console_log.read_text(errors="replace") if self.console_log.exists() else ""

    def wait_until(self, what: str, true: Callable[[], bool], within_s: float, pause_s: float = 2.0) -> float:
        """Wait; returns its age then. A machine that ends or is too late fails with its last words."""
        until_s = time.monotonic() + within_s
        while not true():
            if not self.process.alive:
                self.give_up(f"the machine ended before {what}")
            if time.monotonic() > until_s:
                self.give_up(f"not within {within_s:.0f} s: {what}")
            time.sleep(pause_s)
        return self.age_s

    def give_up(self, why: str) -> None:
        """Fail with the end of the console."""
        said = self.process.log.read_text(errors="replace")[-1000:] if self.process.log.exists() else ""
        pytest.fail(f"{why}. qemu: {said}\nThe console's end:\n{self.console()[-LAST_WORDS:]}")

    def close(self) -> None:
        """Power off at once, and remove its disks."""
        self.process.close()
        shutil.rmtree(self.folder, ignore_errors=True)
