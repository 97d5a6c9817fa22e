"""The cluster's addresses: chosen once so that they meet no route of this machine, and kept."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from pathlib import Path

from infra.lab.cluster.layout import INNER_LINK, LINK
from infra.lab.errors import LabError, UserError

# Not 10.42/16 and 10.43/16 (k3s), 10.244/16 and 10.96/12 (kubeadm), 172.16/12 (Docker), 192.168/16 (homes, the labs' VPN).
CANDIDATES = ("10.213.0.0/16", "10.229.0.0/16", "10.187.0.0/16", "10.61.0.0/16", "10.149.0.0/16")


@dataclass(frozen=True, slots=True)
class Network:
    """One choice of addresses. `link` is a /30: `host` on this machine, `node` inside."""

    base: str
    link: str
    host: str
    node: str
    pods: str
    services: str
    api: str
    dns: str

    @classmethod
    def inside(cls, base: str) -> Network:
        """Split a /16: link in the first /24, pods in the second, services from x.y.16.0/20."""
        first = int(ipaddress.ip_network(base).network_address)

        def at(offset: int) -> str:
            return str(ipaddress.ip_address(first + offset))

        services = 16 * 256
        return cls(
            base=base,
            link=f"{at(0)}/30",
            host=at(1),
            node=at(2),
            pods=f"{at(256)}/24",
            services=f"{at(services)}/20",
            api=at(services + 1),
            dns=at(services + 10),
        )

    @property
    def ranges(self) -> tuple[IPv4Network, ...]:
        """The three ranges it uses."""
        return tuple(IPv4Network(text) for text in (self.link, self.pods, self.services))


def machine_routes() -> tuple[IPv4Network, ...]:
    """Every IPv4 range that this machine routes somewhere, in all tables, without the default route and the lab's own link."""
    listed = subprocess.run(["ip", "-4", "-json", "route", "show", "table", "all"], capture_output=True, text=True, check=False)
    if listed.returncode:
        raise LabError(f"the machine's routes can't be read: {listed.stderr.strip()}; is the package iproute2 installed?")
    found = []
    for route in json.loads(listed.stdout or "[]"):
        target = str(route.get("dst", "default"))
        if target == "default" or route.get("dev") == LINK:
            continue
        network = ipaddress.ip_network(target, strict=False)
        if isinstance(network, IPv4Network) and network.prefixlen:
            found.append(network)
    return tuple(found)


def collision(network: Network, routes: Sequence[IPv4Network]) -> IPv4Network | None:
    """The first route that overlaps the network, if any."""
    return next((route for route in routes if any(route.overlaps(own) for own in network.ranges)), None)


def choose(kept: Path, routes: Sequence[IPv4Network]) -> Network:
    """Take the kept choice, or make one and keep it.

    Raises:
        UserError: the kept choice has become taken, or none of the candidates is free.
    """
    if kept.exists():
        network = Network(**json.loads(kept.read_text()))
        if taken := collision(network, routes):
            raise UserError(
                f"this machine now routes {taken}, which overlaps the lab's addresses {network.base} ({kept}); "
                "remove that route, or run ./lab down --purge to let the lab choose others."
            )
        return network
    for base in CANDIDATES:
        network = Network.inside(base)
        if collision(network, routes) is None:
            scratch = kept.with_suffix(".new")
            scratch.write_text(json.dumps(asdict(network), indent=1))
            scratch.replace(kept)
            return network
    raise UserError(
        f"none of the address ranges {', '.join(CANDIDATES)} is free on this machine; remove a route (ip route show table all)."
    )


def run_ip(*words: str) -> None:
    """Run `ip`.

    Raises:
        LabError: with what `ip` said.
    """
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"ip {' '.join(words)} failed: {done.stderr.strip()}")


def join_link(network: Network, init_pid: int) -> None:
    """Stretch the pair of links between this machine and the namespace of `init_pid`."""
    run_ip("link", "add", LINK, "type", "veth", "peer", "name", INNER_LINK, "netns", str(init_pid))
    run_ip("address", "add", f"{network.host}/30", "dev", LINK)
    run_ip("link", "set", LINK, "up")


def raise_inner_link(network: Network) -> None:
    """Inside: bring the link up and route between pods. Without a default route nothing beyond this machine is answered."""
    run_ip("address", "add", f"{network.node}/30", "dev", INNER_LINK)
    run_ip("link", "set", INNER_LINK, "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def remove_link() -> None:
    """Remove the link if it stands."""
    if Path("/sys/class/net", LINK).exists():
        run_ip("link", "delete", LINK)
