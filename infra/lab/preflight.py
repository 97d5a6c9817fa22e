"""What must hold before anything starts: rights, memory, cores, disk and open files, each refused with a sentence."""

from __future__ import annotations

import math
import os
import resource
import sys

import psutil

from infra.lab.errors import UserError
from infra.lab.paths import Paths
from infra.lab.toolchain.golang import size_gb
from infra.scales import CLUSTER_CPU_M, CLUSTER_MB
from infra.settings import Settings

DISK_COLD_GB = 18  # Go's caches reach 8.6 GB while the toolchain is built, which itself stays with 1.1 GB, 2026-11-22
DISK_WARM_GB = 8  # the image with TensorFlow alone: 1.9 GB where it is built, 0.5 packed twice, 1.9 in the cluster, 2026-11-26
CORES = 2
FILES_BASE = 4_096  # the control plane's own connections and watches


def check_machine(paths: Paths, settings: Settings, *, warm: bool) -> None:
    """Refuse a machine that cannot carry the lab.

    Raises:
        UserError: what is missing, how much there is, and what to do.
    """
    if sys.platform != "linux":
        raise UserError("the embedded cluster needs Linux; set iotlab:kubeconfig in the stack's file to use a cluster you have.")
    if os.geteuid() != 0:
        raise UserError("the embedded cluster needs root for its namespaces: run it as root (sudo ./lab up).")
    _check_cores(settings)
    _check_memory(settings)
    _check_disk(paths, settings, warm=warm)
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)  # a login has 1,024 (Debian 12, systemd) and may raise it; the lab does
    wanted = FILES_BASE + settings.scale.cars
    if files != resource.RLIM_INFINITY and files < wanted:
        raise UserError(f"a process may open {files} files here, scale {settings.scale_name} needs {wanted}: raise ulimit -Hn.")


def _check_cores(settings: Settings) -> None:
    have = psutil.cpu_count() or 1
    need = max(CORES, math.ceil((CLUSTER_CPU_M + settings.services_cpu_m) / 1000))
    if have < need:
        raise UserError(
            f"scale {settings.scale_name} with {len(settings.asked)} services needs {need} cores, this machine has {have}: "
            "take a smaller scale or fewer services (iotlab:scale, iotlab:services)."
        )


def _check_memory(settings: Settings) -> None:
    have = psutil.virtual_memory().total // 2**20
    need = CLUSTER_MB + settings.services_mb
    if have < need:
        raise UserError(
            f"scale {settings.scale_name} with {len(settings.asked)} services needs {need} MB of memory, "
            f"this machine has {have}: take a smaller scale or fewer services (iotlab:scale, iotlab:services)."
        )


def _check_disk(paths: Paths, settings: Settings, *, warm: bool) -> None:
    """The caches of a build are gone before the volumes fill, so the larger of the two counts."""
    volumes_gb = max(0.0, settings.volumes_gb - size_gb(paths.cluster / "volumes"))
    need_gb = math.ceil(max(0 if warm else DISK_COLD_GB, DISK_WARM_GB + volumes_gb))
    for folder in (paths.cache, paths.state):
        folder.mkdir(parents=True, exist_ok=True)
        free = psutil.disk_usage(str(folder)).free // 10**9
        if free < need_gb:
            raise UserError(
                f"{folder} has {free} GB free, {need_gb} are needed: make room, or set IOTLAB_CACHE and IOTLAB_STATE."
            )
