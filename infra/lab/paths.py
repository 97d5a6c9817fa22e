"""Where the lab keeps things: the checkout, the cache (can be thrown away) and the state (cannot)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from infra import wiring

ROOT = Path(__file__).resolve().parents[2]


def _folder(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default).absolute()


@dataclass(frozen=True, slots=True)
class Paths:
    """All folders of one lab. `cache` holds what can be made again; `state` holds what cannot."""

    cache: Path
    state: Path

    @classmethod
    def from_environment(cls) -> Paths:
        """Read IOTLAB_CACHE and IOTLAB_STATE; the defaults are ~/.cache/iotlab and ~/.local/state/iotlab."""
        return cls(_folder("IOTLAB_CACHE", ".cache/iotlab"), _folder("IOTLAB_STATE", ".local/state/iotlab"))

    @property
    def bin(self) -> Path:
        """Executables of the toolchain, by their usual names."""
        return self.cache / "bin"

    @property
    def logs(self) -> Path:
        """One log file per step, named after the step."""
        return self.state / "logs"

    @property
    def cluster(self) -> Path:
        """Everything the embedded cluster keeps: etcd, certificates, containerd, volumes."""
        return self.state / "cluster"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig of the embedded cluster."""
        return self.cluster / "kubeconfig"

    @property
    def authorities(self) -> dict[str, Path]:
        """Certificates of the authorities that clients have to trust, by Secret, once `lab access` has laid them there."""
        return {wiring.INGRESS_TLS: self.state / "authority.crt", wiring.MQTT_TLS: self.state / "mqtt-authority.crt"}

    @property
    def pulumi(self) -> Path:
        """Pulumi's file backend, home and passphrase."""
        return self.state / "pulumi"
