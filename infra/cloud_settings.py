"""What a stack with `iotlab:cloud` decides about its machines; its other keys are those of the lab that each machine runs.

What a person has to say (who owns the stack, from where it is reached, until when it runs) has no default: a plan shows the
stack without it, and whatever makes something refuses (`unready`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from infra import patterns, versions
from infra.scales import CLUSTER_MB, MACHINE_DISK_GB, MACHINE_TYPES, MachineType
from infra.vpn_settings import MACHINES, Vpn
from infra.wiring import PRIVATE_NETWORKS

CARRIERS = "100.64.0.0/10"  # between a provider and its customers
NARROWEST_OPEN = 16  # prefix: a school has at most so many addresses; whoever opens to more says why
MOST_MACHINES = len(MACHINES)  # hosts .2 to .49 of a class's WireGuard net
TAG = re.compile(r"[\w .:/=+@-]{1,64}")  # what AWS takes as a tag's value
RULE_TEXT = re.compile(r"[A-Za-z0-9 ._:/()#,@+=&;{}!$*\[\]-]{1,120}")  # what AWS takes as a rule's description
TO_FILL = {  # what no default can know, and what to write there
    "ownerCidr": "the address that you come from, as in 203.0.113.7/32",
    "owner": "who answers for it, as in ada@example.org",
    "expires": "the day on which the machines stop, as in 2030-01-31",
    "sshKeys": "the lines of your public keys, as in ~/.ssh/id_ed25519.pub",
    "bundle": "the archive that ./lab bundle export wrote",
}


class Course(BaseModel):
    """A course repository at exactly one commit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: Annotated[str, AfterValidator(patterns.REPOSITORY.check)]
    commit: Annotated[str, AfterValidator(patterns.COMMIT.check)]


class CloudSettings(BaseModel):
    """The machines of a stack: where, whose, until when, of which size, reached by whom."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    provider: Annotated[Literal["aws"], Field(description="whose cloud")] = "aws"
    region: Annotated[str, AfterValidator(patterns.REGION.check), Field(description="where in it")] = "eu-central-1"
    owner_cidr: Annotated[str, Field(description="the only network that reaches the machines' ports")] = ""
    open_reason: Annotated[str, Field(description="why ownerCidr is wider than a school's network; stands in every rule")] = ""
    owner: Annotated[str, Field(description="who answers for the stack; a tag of everything in it")] = ""
    expires: Annotated[date | None, Field(description="the day (UTC) on which the machines stop")] = None
    disk_gb: Annotated[int, Field(ge=32, le=1024, description="each machine's disk")] = 40
    machine_type: Annotated[str, Field(description="a type of infra/scales.py; the scale's if empty")] = ""
    ssh_keys: Annotated[tuple[str, ...], Field(description="public keys that may log in as ubuntu")] = ()
    monthly_limit: Annotated[float | None, Field(gt=0, description="USD; a stack that costs more a month is refused")] = None
    microk8s_channel: Annotated[str, AfterValidator(patterns.CHANNEL.check), Field(alias="microk8sChannel")] = versions.MICROK8S
    kubernetes: Annotated[Literal["microk8s", "embedded"], Field(description="what the lab of a machine runs on")] = "microk8s"
    vpn: Annotated[Vpn | None, Field(description="the WireGuard net that the machines join")] = None
    course_repository: Annotated[Course | None, Field(description="checked out on each machine")] = None
    knative: Annotated[bool, Field(description="microk8s' add-on, on top")] = False
    bundle: Annotated[str, Field(description="a bundle's file here, or the SHA-256 of one that is in the store already")] = ""
    host_keys: Annotated[
        dict[str, str], Field(description="host keys of machines where a person knows them; AWS is asked for the others")
    ] = {}
    reachable_within_min: Annotated[float, Field(gt=0, le=60, description="how long a machine may take to let SSH in")] = 10
    ready_within_min: Annotated[float, Field(gt=0, le=240, description="how long its stages may take after that")] = 60

    @field_validator("expires", mode="before")
    @classmethod
    def _not_yet_a_date(cls, given: object) -> object:
        return given or None

    @field_validator("owner_cidr")
    @classmethod
    def _comes_from_the_internet(cls, cidr: str) -> str:
        if not cidr:
            return cidr
        try:
            network = ipaddress.IPv4Network(cidr)
        except ValueError as wrong:
            raise ValueError(f"'{cidr}' is no network ({wrong}); write {TO_FILL['ownerCidr']}") from wrong
        private = any(network.subnet_of(ipaddress.IPv4Network(each)) for each in (*PRIVATE_NETWORKS, CARRIERS))
        if private or network.is_loopback or network.is_multicast or network.is_link_local:
            raise ValueError(f"{cidr} is a private network, which the cloud never sees; write {TO_FILL['ownerCidr']}")
        return str(network)  # as AWS wants it, address/prefix

    @field_validator("owner")
    @classmethod
    def _can_be_a_tag(cls, owner: str) -> str:
        if owner and not TAG.fullmatch(owner):
            raise ValueError(f"'{owner}' can't be a tag: take letters, digits, spaces and . : / = + @ -, at most 64")
        return owner

    @field_validator("open_reason")
    @classmethod
    def _can_stand_in_a_rule(cls, reason: str) -> str:
        if reason and not RULE_TEXT.fullmatch(reason):
            raise ValueError("it can't stand in a rule: take plain letters without accents or quotes, at most 120")
        return reason

    @field_validator("machine_type")
    @classmethod
    def _type_is_known(cls, name: str) -> str:
        if name and name not in MACHINE_TYPES:
            raise ValueError(f"there is no machine type '{name}' in infra/scales.py; choose one of {', '.join(MACHINE_TYPES)}")
        return name

    @field_validator("ssh_keys")
    @classmethod
    def _keys_are_public(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            if "PRIVATE" in key:
                raise ValueError("this is a private key: it stays with you; write the one line of the file that ends in .pub")
            if not patterns.is_ssh_key(key.strip()):
                raise ValueError(f"'{key[:20]}…' is no public key; write {TO_FILL['sshKeys']}")
        return tuple(key.strip() for key in keys)

    @field_validator("host_keys")
    @classmethod
    def _host_keys_are_public(cls, keys: dict[str, str]) -> dict[str, str]:
        for machine, key in keys.items():
            if not patterns.is_ssh_key(key.strip()):
                raise ValueError(
                    f"{machine}: '{key[:20]}…' is no host key; write what ssh-keyscan or the console shows, type and key"
                )
        return {machine: key.strip() for machine, key in keys.items()}

    @model_validator(mode="after")
    def _the_world_needs_a_reason(self) -> CloudSettings:
        if self.owner_cidr and ipaddress.IPv4Network(self.owner_cidr).prefixlen < NARROWEST_OPEN and not self.open_reason:
            raise ValueError(
                f"ownerCidr {self.owner_cidr} opens the machines to strangers: write {TO_FILL['ownerCidr']}, "
                "or say in openReason why it has to be"
            )
        return self

    @model_validator(mode="after")
    def _knative_has_its_kubernetes(self) -> CloudSettings:
        if self.knative and self.kubernetes != "microk8s":
            raise ValueError("knative is an add-on of microk8s: take kubernetes: microk8s, or knative: false")
        return self

    @property
    def unfilled(self) -> tuple[str, ...]:
        """The keys that only a person can fill in and nobody has yet."""
        values = (self.owner_cidr, self.owner, self.expires, self.ssh_keys, self.bundle)
        return tuple(key for key, value in zip(TO_FILL, values, strict=True) if not value)

    def unready(self, today: date) -> str:
        """Why nothing may be made of this yet, as one sentence; empty if it may."""
        if self.unfilled:
            return f"fill in under iotlab:cloud: {'; '.join(f'{key}: {TO_FILL[key]}' for key in self.unfilled)}."
        if self.expires and self.expires <= today:
            return f"iotlab:cloud.expires: {self.expires} has come, so the machines would stop at once; write a later day."
        return ""


INNER: Mapping[str, type[BaseModel]] = {  # behind which keys an object of ours is
    "cloud": CloudSettings,
    "cloud.courseRepository": Course,
    "cloud.vpn": Vpn,
}


def unfit(cloud: CloudSettings, machine: MachineType, services_mb: int, volumes_gb: int) -> str:
    """Why the services can't run on such a machine; empty if they can."""
    need_mb = services_mb + CLUSTER_MB
    if need_mb > machine.memory_mb:
        fitting = [name for name, one in MACHINE_TYPES.items() if one.memory_mb >= need_mb]
        return (
            f"the services need {need_mb} MB of memory, a {machine.name} has {machine.memory_mb}: take a larger "
            f"iotlab:cloud.machineType ({', '.join(fitting) or 'none is large enough'}), or fewer of iotlab:services"
        )
    need_gb = MACHINE_DISK_GB + volumes_gb
    if need_gb > cloud.disk_gb:
        return f"the services may fill a disk of {need_gb} GB, iotlab:cloud.diskGb is {cloud.disk_gb}: raise it"
    return ""


def _named_well(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or len(names) > MOST_MACHINES or len(set(names)) < len(names):
        raise ValueError(f"name each machine once, one to {MOST_MACHINES} of them")
    for name in names:
        patterns.HOST_NAME.check(name)
    return names


def _none_if_empty(given: object) -> object:
    return given or None


class CloudPart(BaseModel):
    """The two keys of a stack that makes machines."""

    cloud: Annotated[
        CloudSettings | None,
        BeforeValidator(_none_if_empty),
        Field(description="makes machines, each with a lab of its own, instead of filling a cluster"),
    ] = None
    machines: Annotated[
        tuple[str, ...], AfterValidator(_named_well), Field(description="host names of the machines of iotlab:cloud")
    ] = ("lab",)

    @model_validator(mode="after")
    def _each_has_a_place_in_the_vpn(self) -> CloudPart:
        if self.cloud and self.cloud.vpn and (why := self.cloud.vpn.unfit(self.machines)):
            raise ValueError(f"iotlab:cloud.vpn: {why}")
        return self
