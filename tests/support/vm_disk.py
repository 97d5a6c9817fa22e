"""The disks of the VM tests: a Debian system, a seed for cloud-init, a stick with the bundle. Nothing is ever mounted.

The system is made once a cache: what a cloud's image brings, and the packages of the stage 20, since the VM has no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from infra import versions
from infra.cloud import user_data
from infra.lab.bundle import Exported, rootfs
from infra.lab.lab import Lab
from infra.lab.packing import export_bundle
from infra.lab.paths import Paths
from infra.settings import PROJECT, Settings
from tests.support import tools

DISK_GB = 40  # as in the cloud; the file is sparse
IMAGE_BRINGS = (
    "linux-image-cloud-amd64",
    *("cloud-init", "systemd-sysv", "openssh-server", "sudo", "locales"),
    *("netplan.io", "systemd-resolved", "dbus", "libpam-systemd"),  # as Debian's own cloud images are wired
)
PACKAGES = tuple(sorted({*IMAGE_BRINGS, *user_data.PACKAGES, "wireguard-tools"}))
FSTAB = "LABEL=system / ext4 defaults 0 1\n"
# what every machine makes for itself at its first boot
FORGET = 'cd "$1" && : >etc/machine-id && rm -rf etc/ssh/ssh_host_* etc/hostname var/cache/apt usr/share/doc usr/share/man'
KERNEL, INITRD, SYSTEM = "vmlinuz", "initrd.img", "system.raw"


def _run(what: str, words: Sequence[str | Path], log: Path, env: dict[str, str] | None = None) -> None:
    """Run a program; a failure fails the test with its last lines."""
    with log.open("ab") as output:
        code = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False).returncode
    if code:
        pytest.fail(f"{what} failed with code {code}: {log.read_text(errors='replace')[-1500:]} (log: {log})")


def _acquire_options() -> list[str]:
    """How this machine's apt fetches (proxy, limits), for mmdebstrap's own apt."""
    told = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in told.splitlines() if line.startswith("Acquire::") and ' ""' not in line]
    return [f"--aptopt={line.rstrip(';')}" for line in lines]


def _ext4(file: Path, label: str, tree: Path, size: str, log: Path) -> None:
    """A file system with what is in `tree`. No journal: whoever loses power here makes it anew."""
    words: list[str | Path] = [tools.unpacked("e2fsprogs", "sbin/mke2fs"), "-q", "-F", "-t", "ext4", "-L", label, "-m", "0"]
    _run(f"the file system {label}", [*words, "-E", "lazy_itable_init=1,nodiscard", "-d", tree, file, size], log)


def system() -> Path:
    """The folder with kernel, initrd and a Debian that never booted."""
    paths = Paths.from_environment()
    made_of = repr((PACKAGES, FSTAB, FORGET, DISK_GB, versions.DEBIAN, Path(__file__).read_bytes()))
    folder = paths.cache / "tests/vm" / hashlib.sha256(made_of.encode()).hexdigest()[:12]
    if folder.is_dir():
        return folder
    shutil.rmtree(folder.parent, ignore_errors=True)
    scratch = folder.with_suffix(".new")
    scratch.mkdir(parents=True)
    tree, log = scratch / "tree", scratch / "log"
    words: list[str | Path] = [*rootfs.ALONE, tools.program("mmdebstrap"), "--mode=root", "--format=directory"]
    words += ["--variant=minbase", f"--include={','.join(PACKAGES)}", *_acquire_options(), f"--customize-hook={FORGET}"]
    _run("mmdebstrap", [*words, versions.DEBIAN, tree, *rootfs.sources()], log, os.environ | {"LC_ALL": "C"})
    (tree / "etc/fstab").write_text(FSTAB)
    for name in (KERNEL, INITRD):
        shutil.copy(tree / name, scratch / name)
    _ext4(scratch / SYSTEM, "system", tree, f"{DISK_GB}G", log)
    shutil.rmtree(tree)
    scratch.rename(folder)
    return folder


def seed(folder: Path, user_data_: bytes, name: str) -> Path:
    """cloud-init's NoCloud seed, with the user data as a cloud would give them."""
    inside = folder / "seed"
    inside.mkdir()
    (inside / "user-data").write_bytes(user_data_)
    (inside / "meta-data").write_text(f"instance-id: iid-{name}\nlocal-hostname: {name}\n")
    file = folder / "seed.iso"
    words: list[str | Path] = [tools.unpacked("genisoimage", "usr/bin/genisoimage"), "-quiet", "-joliet", "-rock"]
    _run("the seed", [*words, "-volid", "cidata", "-output", file, inside], folder / "disks.log")
    return file


def stick(folder: Path, bundle: Path) -> Path:
    """A stick with the label IOTLAB and the bundle."""
    inside = folder / "stick"
    inside.mkdir()
    os.link(bundle, inside / bundle.name)
    file = folder / "stick.raw"
    megabytes = bundle.stat().st_size // 10**6 * 11 // 10 + 64
    _ext4(file, "IOTLAB", inside, f"{megabytes}M", folder / "disks.log")
    return file


def core_bundle(folder: Path) -> Exported:
    """What `./lab bundle export --only-needed` writes for a stack that runs the set `core`."""
    lab = Lab()
    lab.settings = Settings.parse({f"{PROJECT}:services": ["core"]})
    return export_bundle(lab, folder / "lab.tar.zst", only_needed=True)
