"""What a lab may leave on the machine, found and removed. After `stop` nothing may be left."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil

from infra.lab.cluster import cgroups, lock, network
from infra.lab.cluster.layout import LINK, LOCK, RUNROOT, Folders
from infra.lab.errors import LabError
from infra.lab.paths import Paths

KILL_LIMIT_S = 30.0
MODULES = ("infra.lab.cluster.outer", "infra.lab.cluster.inner")


def processes(paths: Paths) -> dict[int, str]:
    """The lab's processes: those in its cgroups, and its supervisor's, with their names."""
    found = {}
    grouped = cgroups.processes()
    for process in psutil.process_iter(["pid", "name", "cmdline", "status"]):
        info = process.info
        words = info["cmdline"] or []
        ours = str(paths.cluster) in words and any(module in words for module in MODULES)
        if (info["pid"] in grouped or ours) and info["status"] != psutil.STATUS_ZOMBIE:
            found[info["pid"]] = info["name"]
    return found


def mounts(paths: Paths) -> list[str]:
    """Mount points of this machine's own mount namespace inside the cluster folder, deepest first."""
    rows = [line.split()[4].replace("\\040", " ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted((row for row in rows if Path(row).is_relative_to(paths.cluster)), reverse=True)


def _firewall(paths: Paths) -> list[str]:
    """Rules of this machine that name the lab's link or addresses."""
    save = paths.bin / "iptables-save"
    program = str(save) if save.exists() else shutil.which("iptables-save")
    if program is None:  # without that program the lab can't have set any
        return []
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    kept = Folders(paths.cluster).network
    marks = [LINK]
    with contextlib.suppress(LabError, OSError):
        marks += [str(item) for item in network.choose(kept, ()).ranges] if kept.exists() else []
    return [line for line in done.stdout.splitlines() if any(mark in line for mark in marks)]


def runroot_left() -> bool:
    """Whether a build's notes about mounts are there still though no buildah, of whatever lab, is at work."""
    words = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return os.access(RUNROOT, os.W_OK) and not any(str(RUNROOT) in command for command in words)  # root's alone


def remove_runroot() -> None:
    """Remove them, as a restart of the machine would; the images lie in the cache."""
    if runroot_left():
        shutil.rmtree(RUNROOT)
        with contextlib.suppress(OSError):  # something else lies beside it
            RUNROOT.parent.rmdir()


def find(paths: Paths) -> list[str]:
    """Everything of a lab that is on this machine, one phrase each; empty when it has left no trace."""
    left = [f"process {pid} ({name})" for pid, name in processes(paths).items()]
    left += [f"mount {point}" for point in mounts(paths)]
    if Path("/sys/class/net", LINK).exists():
        left.append(f"network link {LINK}")
    left += [f"network namespace {file}" for file in Path("/run/netns").glob("iotlab*")]
    left += [f"cgroup {tree.root}" for tree in cgroups.mounted() if tree.root.exists()]
    left += [f"firewall rule {rule}" for rule in _firewall(paths)]
    if LOCK.exists():
        left.append(f"lock {LOCK}")
    if runroot_left():
        left.append(f"folder {RUNROOT}")
    return left


def _end(paths: Paths) -> None:
    deadline = time.monotonic() + KILL_LIMIT_S
    while left := processes(paths):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def remove(paths: Paths) -> None:
    """Remove what a killed lab left. Only when nobody holds the lock.

    Raises:
        LabError: a lab is running.
    """
    if owner := lock.read():
        raise LabError(f"{owner} is running; what belongs to it isn't removed.")
    _end(paths)
    for point in mounts(paths):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
    network.remove_link()
    cgroups.remove()
    remove_runroot()
    LOCK.unlink(missing_ok=True)
    Folders(paths.cluster).status.unlink(missing_ok=True)
