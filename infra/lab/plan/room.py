"""What there is on a machine: this one, a type of the cloud, or so many cores and so much memory."""

from __future__ import annotations

import re
from dataclasses import dataclass

import psutil

from infra.lab.errors import UserError
from infra.lab.paths import Paths
from infra.lab.preflight import DISK_WARM_GB
from infra.lab.scenario.limits import Machine, most_tracked
from infra.lab.toolchain.golang import size_gb
from infra.scales import MACHINE_DISK_GB, MACHINE_TYPES

CORES_AND_GB = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,4})")


@dataclass(frozen=True, slots=True)
class Room:
    """None is what cannot be known from here: the kernel's limits on another machine."""

    name: str
    cores: int
    memory_mb: int
    disk_gb: int | None = None
    system_gb: int = MACHINE_DISK_GB  # of it, for images and what else is no volume
    files: int | None = None
    all_files: int | None = None
    ports: int | None = None
    tracked: int | None = None
    note: str = ""


def here(paths: Paths) -> Room:
    """This machine, as if no lab were up on it and its volumes were empty."""
    there = Machine.here()
    paths.state.mkdir(parents=True, exist_ok=True)
    free_gb = psutil.disk_usage(str(paths.state)).free // 10**9
    return Room(
        name="this machine",
        cores=there.cores,
        memory_mb=psutil.virtual_memory().total // 2**20,
        disk_gb=free_gb + int(size_gb(paths.cluster / "volumes")),
        system_gb=DISK_WARM_GB,
        files=there.files,
        all_files=there.all_files,
        ports=there.ports,
        tracked=most_tracked(),
    )


def named(machine: str, disk_gb: int | None) -> Room:
    """A type of infra/scales.py, or cores and GB as in 8x32.

    Raises:
        UserError: it is neither.
    """
    if kind := MACHINE_TYPES.get(machine):
        note = "It is burstable: for long it has only a part of these cores." if kind.burstable else ""
        return Room(kind.name, kind.vcpus, kind.memory_mb, disk_gb, note=note)
    if shape := CORES_AND_GB.fullmatch(machine):
        return Room(machine, int(shape[1]), int(shape[2]) * 1024, disk_gb)
    raise UserError(
        f"there is no machine type '{machine}' in infra/scales.py: take one of {', '.join(MACHINE_TYPES)}, "
        "or cores and GB of memory, as in 8x32."
    )
