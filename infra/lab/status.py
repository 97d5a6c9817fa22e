"""What runs: the embedded cluster's parts and the services' pods."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import psutil

from infra.lab import kubernetes_plugin, upstream
from infra.lab.cluster.status import ClusterStatus
from infra.lab.errors import LabError
from infra.lab.kube import Pod

if TYPE_CHECKING:
    from infra.lab.lab import Lab


@dataclass(frozen=True, slots=True)
class LabStatus:
    """The lab at one moment; `cluster` is None where the cluster isn't ours."""

    cluster: ClusterStatus | None
    pods: tuple[Pod, ...]
    missing: tuple[str, ...]
    memory_mb: int | None
    kubernetes_plugin: str | None
    left_out: dict[str, str]
    used_mb: dict[str, int] = field(default_factory=dict)  # by pod, as `kubectl top pods` counts it

    @property
    def ok(self) -> bool:
        """Whether everything that should run does."""
        cluster = self.cluster
        runs = cluster is None or (cluster.running and cluster.node_ready and all(part.pid for part in cluster.parts))
        return runs and not self.missing and all(pod.ready for pod in self.pods)

    def as_json(self) -> dict[str, object]:
        """One object."""
        return {
            "ok": self.ok,
            "cluster": asdict(self.cluster) if self.cluster else None,
            "services": [asdict(pod) | {"memory_mb": self.used_mb.get(pod.name)} for pod in self.pods],
            "missing": list(self.missing),
            "memory_mb": self.memory_mb,
            "kubernetes_plugin": self.kubernetes_plugin,
            "left_out": self.left_out,
        }


def status_of(lab: Lab) -> LabStatus:
    """Ask the cluster; a lab that is down has no pods and misses every service."""
    if not lab.embedded:
        lab.need_up()
    cluster = lab.cluster.status() if lab.embedded else None
    pods: tuple[Pod, ...] = ()
    if cluster is None or cluster.running:
        try:
            pods = tuple(lab.kube.pods())
        except LabError:  # the API server is on its way up or down; the parts above say so
            pods = ()
    there = Counter(pod.service for pod in pods)
    missing = tuple(sorted(each for each in lab.settings.chosen if there[each] < lab.settings.scale.pods_of(each)))
    memory = memory_mb(cluster.owner.pid) if cluster and cluster.running and cluster.owner else None
    plugin = kubernetes_plugin.used(lab.paths, lab.stack_name)
    used = lab.kube.memory_mb() if pods else {}
    return LabStatus(cluster, pods, missing, memory, plugin, upstream.left_out(lab.settings), used)


def memory_mb(supervisor: int) -> int:
    """Memory of the whole lab, MB: proportional set sizes of the supervisor and of all that descends from it, pods included."""
    total = 0
    family: list[psutil.Process] = []
    with suppress(psutil.Error):  # it may end while we look, and so may each of them
        family = [psutil.Process(supervisor), *psutil.Process(supervisor).children(recursive=True)]
    for process in family:
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total // 2**20
