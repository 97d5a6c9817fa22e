"""What one machine is told about itself: plain data between the cloud's objects and its user data.

Whoever makes machines (the AWS program, `lab cloud-init render`, the VM of the tests) fills in these facts, and
`user_data.cloud_config` turns them into a cloud-init document. Nothing here is secret: user data can be read by every process
of the machine, so passwords and private keys are made on the machine itself.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Bundle:
    """Where a machine gets the bundle: s3://bucket/key (instance profile), https://… (it may expire) or file:///… (a stick)."""

    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Course:
    """A course repository, checked out at exactly this commit."""

    repository: str
    commit: str


@dataclass(frozen=True, slots=True)
class Vpn:
    """The machine's place in a WireGuard net 192.168.<net>.0/24: .1 is the gateway, machines are .2-.49, clients .50-.99."""

    net: int
    host: int
    gateway: str  # name or address of the gateway's end point, without port: the port follows from the net
    gateway_public_key: str  # "": not known yet, so there is no peer yet; new facts bring it


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """One machine."""

    name: str  # the host name
    stack: str
    owner: str
    expires: str  # an ISO date; the machine switches itself off when it begins (UTC)
    ssh_keys: tuple[str, ...]
    bundle: Bundle
    kubernetes: Literal["microk8s", "embedded"]
    microk8s_channel: str
    services: tuple[str, ...]  # of iotlab:services for the VM's own lab
    scale: str
    course: Course | None
    knative: bool
    vpn: Vpn | None  # never a private key: the machine makes its own
    address: str = ""  # where it is reached from outside, if that is known before it is made: its certificates vouch for it
