"""Which ports leave the cluster, and to whom: loopback always, MQTT to one private network on request."""

from __future__ import annotations

import contextlib
import ipaddress

import psutil

from infra import wiring
from infra.lab.cluster.forward import Forward
from infra.lab.errors import UserError

WIDEST_PREFIX = 8  # 10.0.0.0/8, the widest private network there is


def device_address(cidr: str) -> str:
    """This machine's own address in the private network of the boards.

    Raises:
        UserError: no private network, or this machine isn't in it.
    """
    try:
        wanted = ipaddress.IPv4Network(cidr)
    except ValueError as wrong:
        raise UserError(f"deviceCidr {cidr} is no network ({wrong}); write it like 192.168.1.0/24.") from wrong
    if not wanted.is_private or wanted.prefixlen < WIDEST_PREFIX:
        raise UserError(
            f"deviceCidr {cidr} is no private network; MQTT is opened to one private network only, like 192.168.1.0/24."
        )
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            with contextlib.suppress(ValueError):
                if ipaddress.IPv4Address(address.address) in wanted:
                    return str(address.address)
    raise UserError(f"this machine has no address in deviceCidr {cidr}; see «ip address» and correct it.")


def forwards(node: str, device_cidr: str | None) -> list[Forward]:
    """Every exposed port on loopback; those for boards also in their network."""
    found = [Forward("127.0.0.1", exposed.node_port, node) for exposed in wiring.EXPOSED]
    if device_cidr:
        address = device_address(device_cidr)
        found += [Forward(address, item.node_port, node, device_cidr) for item in wiring.EXPOSED if item.source == "device"]
    return found
