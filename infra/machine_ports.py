"""The ports of a machine in the cloud: its own, and those of its lab that people and boards reach it by.

Each has an owner, a login and a reason; the source is always the stack's ownerCidr. NFS stays inside the VPN.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from infra import wiring

SSH_PORT = 22
API_PORT = 16443  # microk8s' Kubernetes API


@dataclass(frozen=True, slots=True)
class MachinePort:
    """A port of a machine that may be opened."""

    service: str
    port: int
    protocol: str
    login: str
    reason: str
    encrypted: bool


SSH = MachinePort(
    "ssh", SSH_PORT, "tcp", "public key, user ubuntu", "administration; forwards to what has no port here", encrypted=True
)
API = MachinePort("kubernetes", API_PORT, "tcp", "client certificate", "kubectl and Pulumi from outside", encrypted=True)


def wireguard(net: int) -> MachinePort:
    """The port of the VPN number `net`; a machine calls its gateway itself, so this is for a gateway that calls first."""
    reason = f"WireGuard of {wiring.vpn_net(net)}; inside it is NFS"
    return MachinePort("vpn", wiring.vpn_port(net), "udp", "WireGuard key of the gateway", reason, encrypted=True)


def machine_ports(chosen: Collection[str], kubernetes: str, vpn_net: int | None = None) -> tuple[MachinePort, ...]:
    """The ports of a machine with the services `chosen`; an embedded cluster serves loopback alone, so SSH is the way in."""
    own = (SSH,) if vpn_net is None else (SSH, wireguard(vpn_net))
    if kubernetes == "embedded":
        return own
    lab = (
        MachinePort(row.service, row.node_port, "tcp", row.login, row.reason, row.encrypted)
        for row in wiring.EXPOSED
        if row.service in chosen and row.leaves_machine
    )
    return (*own, API, *lab)
