"""What can be said about the cluster: whose it is, which part runs, how often each was restarted."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from infra.lab.cluster.layout import Folders
from infra.lab.cluster.lock import Owner


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part. `pid` is the process as this machine sees it, None while it is down; `since` is seconds since the epoch."""

    name: str
    pid: int | None
    restarts: int
    last_exit: str
    since: float


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """The cluster at one moment."""

    running: bool
    owner: Owner | None
    parts: tuple[PartStatus, ...]
    node_ready: bool
    uptime_s: float

    def as_json(self) -> dict[str, object]:
        """Plain values for `--json`."""
        return asdict(self)


def init_pid(owner: Owner) -> int | None:
    """The cluster's first process as this machine sees it: the child of `unshare`, which is the supervisor's child."""
    try:
        for child in psutil.Process(owner.pid).children():
            for inner in child.children():
                return int(inner.pid)
    except psutil.Error:
        return None
    return None


def _machine_pids(init: int) -> dict[int, int]:
    """The pids of the parts: inside to outside."""
    found: dict[int, int] = {}
    try:
        for child in psutil.Process(init).children():
            for line in Path(f"/proc/{child.pid}/status").read_text().splitlines():
                if line.startswith("NSpid:"):
                    found[int(line.split()[-1])] = child.pid
    except (psutil.Error, OSError):
        return found
    return found


def parts(folders: Folders, owner: Owner) -> tuple[PartStatus, ...]:
    """The parts' state from the supervisor's file; empty before it has written one."""
    try:
        records = json.loads(folders.status.read_text())["parts"]
    except (OSError, ValueError, KeyError):
        return ()
    init = init_pid(owner)
    outside = _machine_pids(init) if init else {}
    return tuple(
        PartStatus(item["name"], outside.get(item["pid"]), item["restarts"], item["last_exit"], item["since"]) for item in records
    )


def uptime_s(owner: Owner) -> float:
    """How long the supervisor has been running."""
    return round(time.time() - owner.since, 1)
