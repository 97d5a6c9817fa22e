"""The lab's cgroups, on version 1 (a folder in each controller) and version 2 (one folder, controllers handed down)."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.lab.cluster.layout import CGROUP
from infra.lab.errors import LabError

PARTS = "parts"  # the supervisor and the cluster's own programs; pods are in its sibling kubepods
REMOVE_LIMIT_S = 30.0
V2 = 2


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted cgroup tree. `controllers` is empty for a tree that only tracks processes."""

    mount: Path
    version: int
    controllers: frozenset[str]

    @property
    def root(self) -> Path:
        """The lab's folder in this tree."""
        return self.mount / CGROUP


def hierarchies(mountinfo: str) -> tuple[Hierarchy, ...]:
    """All cgroup trees, from the text of /proc/self/mountinfo."""
    known = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "net_cls", "net_prio"}
    known |= {"perf_event", "hugetlb", "rdma", "misc"}
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.partition(" ")
        if kind not in {"cgroup", "cgroup2"}:
            continue
        mount = Path(before.split()[4])
        names = frozenset(options.split()[-1].split(",")) & known if kind == "cgroup" else frozenset()
        found.append(Hierarchy(mount, 2 if kind == "cgroup2" else 1, names))
    return tuple(found)


def mounted() -> tuple[Hierarchy, ...]:
    """The trees of this machine."""
    return hierarchies(Path("/proc/self/mountinfo").read_text())


def _is_pure_v2(trees: Iterable[Hierarchy]) -> bool:
    return all(tree.version == V2 for tree in trees)


def _hand_down(folder: Path) -> None:
    available = (folder / "cgroup.controllers").read_text().split()
    for name in available:  # runc does the same for every container's path, and a controller without limits changes nothing
        with contextlib.suppress(OSError):  # one that can't be handed down (cpu with realtime tasks) is simply not limited
            (folder / "cgroup.subtree_control").write_text(f"+{name}")


def _copy_cpuset(folder: Path) -> None:
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (folder / name).exists() and not (folder / name).read_text().strip():
            (folder / name).write_text((folder.parent / name).read_text())


def make() -> None:
    """Make the lab's cgroups.

    Raises:
        LabError: no cgroups are mounted, or what Kubernetes needs isn't among them.
    """
    trees = mounted()
    if not trees:
        raise LabError("no cgroups are mounted on this machine; mount them (cgroup2 on /sys/fs/cgroup) and start again.")
    pure = _is_pure_v2(trees)
    for tree in trees:
        if tree.version == V2 and not pure:  # on a hybrid machine it holds no controllers
            continue
        tree.root.mkdir(exist_ok=True)
        if tree.version == V2:
            _hand_down(tree.mount)
            _hand_down(tree.root)
        if "cpuset" in tree.controllers:
            _copy_cpuset(tree.root)
    if pure:
        have = set((trees[0].root / "cgroup.controllers").read_text().split())
    else:
        have = set().union(*(tree.controllers for tree in trees))
    if lacking := {"cpu", "cpuset", "memory", "pids"} - have:
        raise LabError(
            f"the cgroup controllers {', '.join(sorted(lacking))} are not available on this machine; enable them in the kernel."
        )


def _tracking(trees: tuple[Hierarchy, ...]) -> list[Hierarchy]:
    return list(trees) if _is_pure_v2(trees) else [tree for tree in trees if tree.version == 1 and not tree.controllers]


def join() -> None:
    """Move this process into the lab's own group, in the tree by which a login session's processes are ended at logout."""
    for tree in _tracking(mounted()):
        folder = tree.root / PARTS
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.procs").write_text(str(os.getpid()))


def leave() -> None:
    """Move this process back to the root group, so that the lab's can be removed."""
    for tree in _tracking(mounted()):
        if tree.root.exists():
            (tree.mount / "cgroup.procs").write_text(str(os.getpid()))


def folders() -> list[Path]:
    """The lab's cgroup folders, deepest first."""
    return [folder for tree in mounted() for folder in _deepest_first(tree.root)]


def _deepest_first(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        return
    for parent, _, _ in os.walk(root, topdown=False):
        yield Path(parent)


def processes() -> set[int]:
    """Every process in one of the lab's cgroups."""
    found: set[int] = set()
    for folder in folders():
        with contextlib.suppress(OSError):
            found.update(int(word) for word in (folder / "cgroup.procs").read_text().split())
    return found


def remove() -> None:
    """Remove the lab's cgroups; the kernel needs a moment after the last process has ended."""
    deadline = time.monotonic() + REMOVE_LIMIT_S
    while left := folders():
        for folder in left:
            try:
                folder.rmdir()
            except OSError as refused:
                if refused.errno not in {errno.EBUSY, errno.ENOTEMPTY, errno.ENOENT}:
                    raise
        if time.monotonic() > deadline:
            return
        if folders():
            time.sleep(0.05)
