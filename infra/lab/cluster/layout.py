"""Names and places of the embedded cluster: on this machine, and as its parts see them inside their namespaces."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from infra.lab.errors import LabError

NODE = "iotlab"  # host name inside and the node's name
LINK = "iotlab0"  # the only network link that stands on the machine; gone after stop
INNER_LINK = "node0"
CGROUP = "iotlab"
LOCK = Path("/run/iotlab.lock")
RUNROOT = Path("/run/iotlab/containers")  # where the toolchain's buildah notes what it has mounted
API_PORT = 6443
KUBELET_PORT = 10250

# Inside, /var and /run are private and hold the usual places of each part, whatever the state folder is called:
# socket paths stay below the kernel's 107 bytes and no path of the machine lands in a stored volume.
HOME = Path("/var/lib/iotlab")  # the cluster folder of the state
KUBELET_HOME = Path("/var/lib/kubelet")
CONTAINERD_HOME = Path("/var/lib/containerd")
ETCD_HOME = Path("/var/lib/etcd")
POD_LOGS = Path("/var/log/pods")
ETCD_SOCKET = Path("/run/iotlab/etcd.sock")
CONTAINERD_SOCKET = Path("/run/containerd/containerd.sock")


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the programs are: `bin` by their usual names, `cni` the folder of network plugins."""

    bin: Path
    cni: Path

    NEEDED = (
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "containerd",
        "containerd-shim-runc-v2",
        "ctr",
        "runc",
        "iptables",
        "iptables-save",
        "iptables-restore",
    )
    NEEDED_CNI = ("ptp", "host-local", "loopback")

    def check(self) -> None:
        """Refuse to go on without all of them.

        Raises:
            LabError: names what is missing.
        """
        missing = [name for name in self.NEEDED if not (self.bin / name).exists()]
        missing += [f"{self.cni}/{name}" for name in self.NEEDED_CNI if not (self.cni / name).exists()]
        if missing:
            raise LabError(
                f"the cluster's programs {', '.join(missing)} are missing in {self.bin}; run ./lab up, it fetches them."
            )


def search_also(folder: Path) -> None:
    """Find `ip`, `mount` and the like also in the system's folders (a plain `su` lacks them) and in the toolchain's."""
    known = os.environ.get("PATH", os.defpath).split(os.pathsep)
    more = [place for place in ("/usr/sbin", "/sbin", str(folder)) if place not in known]
    os.environ["PATH"] = os.pathsep.join(known + more)


@dataclass(frozen=True, slots=True)
class Folders:
    """What lies in the cluster folder of the state, as seen from this machine."""

    home: Path

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.home / "pki"

    @property
    def conf(self) -> Path:
        """Written anew at each start: kubeconfigs and the parts' configuration."""
        return self.home / "conf"

    @property
    def logs(self) -> Path:
        """One file per part."""
        return self.home / "log"

    @property
    def run(self) -> Path:
        """Status of the running cluster."""
        return self.home / "run"

    @property
    def images(self) -> Path:
        """The add-ons' image archive when it is built here."""
        return self.home / "images"

    @property
    def volumes(self) -> Path:
        """What pods keep, by namespace and claim."""
        return self.home / "volumes"

    @property
    def network(self) -> Path:
        """The chosen addresses."""
        return self.home / "network.json"

    @property
    def spec(self) -> Path:
        """What the supervisor runs."""
        return self.conf / "spec.json"

    @property
    def status(self) -> Path:
        """What the supervisor says about its parts."""
        return self.run / "status.json"

    def make(self) -> None:
        """Make all folders; nobody but the owner may look in."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.home.chmod(0o700)
        for folder in (self.pki, self.conf, self.logs, self.run, self.images, self.volumes):
            folder.mkdir(exist_ok=True, mode=0o700)
        for name in ("etcd", "containerd", "kubelet", "pod-logs", "ns"):
            (self.home / name).mkdir(exist_ok=True, mode=0o700)
        self.volumes.chmod(0o755)  # pods run as their own users and must reach their folder
