"""Which ports of a machine are open, to whom and why: rows of the wiring become rules, each with its reason in it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.cloud.tags import Tags
from infra.cloud_settings import CloudSettings
from infra.machine_ports import machine_ports

NOT_IN_A_RULE = re.compile(r"[^A-Za-z0-9 ._:/()#,@+=&;{}!$*\[\]-]")  # AWS refuses these in a description
LONGEST = 255  # and more than so many characters


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in from outside, with whether what passes is encrypted; the plan tells of the same."""

    service: str
    port: int
    protocol: str
    source: str
    login: str
    reason: str
    encrypted: bool

    @property
    def name(self) -> str:
        """Its logical name."""
        return f"{self.service}-{self.port}"

    @property
    def description(self) -> str:
        """What stands in the rule itself."""
        return NOT_IN_A_RULE.sub(" ", f"{self.service}: {self.reason}. Login: {self.login}")[:LONGEST]


def rules(cloud: CloudSettings, chosen: Collection[str]) -> tuple[Rule, ...]:
    """The rules of a stack whose machines run the services `chosen`; every source is the owner's network."""
    why = f" - open to {cloud.owner_cidr} because {cloud.open_reason}" if cloud.open_reason else ""
    return tuple(
        Rule(row.service, row.port, row.protocol, cloud.owner_cidr, row.login, f"{row.reason}{why}", row.encrypted)
        for row in machine_ports(chosen, cloud.kubernetes, cloud.vpn.net if cloud.vpn else None)
    )


@dataclass(frozen=True, slots=True)
class FirewallArgs:
    """The network that it stands in, the rules, the tags."""

    vpc: pulumi.Input[str]
    rules: tuple[Rule, ...]
    tags: Tags


class Firewall(pulumi.ComponentResource):
    """A security group: in by the rules alone, out to anywhere (packages, images, the bundle)."""

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """`name` names the group."""
        super().__init__("iotlab:cloud:Firewall", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        about = "Lab machines - in by the rules of infra/wiring.py alone"
        group = aws.ec2.SecurityGroup(name, vpc_id=args.vpc, description=about, tags=args.tags.named(name), opts=inside)
        for rule in args.rules:
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-{rule.name}",
                security_group_id=group.id,
                ip_protocol=rule.protocol,
                from_port=rule.port,
                to_port=rule.port,
                cidr_ipv4=rule.source,
                description=rule.description,
                tags=args.tags.named(rule.name),
                opts=inside,
            )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-out",
            security_group_id=group.id,
            ip_protocol="-1",
            cidr_ipv4="0.0.0.0/0",
            description="out to anywhere: packages, snaps, the bundle",
            tags=args.tags.named("out"),
            opts=inside,
        )
        self.group = group.id
        self.register_outputs({})
