"""The network of a stack's machines: one subnet with a way out to the internet and nothing between the machines' ports."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.cloud.firewall import Firewall, FirewallArgs, Rule
from infra.cloud.tags import Tags

# apart from microk8s' own networks (10.1/16, 10.152.183/24) and from the VPN's 192.168/16
VPC_CIDR = "10.77.0.0/16"
SUBNET_CIDR = "10.77.0.0/24"
ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class NetworkArgs:
    """What can differ: who may come in where, and the tags."""

    rules: tuple[Rule, ...]
    tags: Tags


class Network(pulumi.ComponentResource):
    """VPC, subnet, the way out, and the firewall."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """`name` names each part of it."""
        super().__init__("iotlab:cloud:Network", name, None, opts)
        inside, tags = pulumi.ResourceOptions(parent=self), args.tags.named(name)
        vpc = aws.ec2.Vpc(name, cidr_block=VPC_CIDR, enable_dns_support=True, enable_dns_hostnames=True, tags=tags, opts=inside)
        subnet = aws.ec2.Subnet(name, vpc_id=vpc.id, cidr_block=SUBNET_CIDR, tags=tags, opts=inside)
        gateway = aws.ec2.InternetGateway(name, vpc_id=vpc.id, tags=tags, opts=inside)
        table = aws.ec2.RouteTable(name, vpc_id=vpc.id, tags=tags, opts=inside)
        aws.ec2.Route(name, route_table_id=table.id, destination_cidr_block=ANYWHERE, gateway_id=gateway.id, opts=inside)
        aws.ec2.RouteTableAssociation(name, subnet_id=subnet.id, route_table_id=table.id, opts=inside)
        firewall = Firewall("firewall", FirewallArgs(vpc.id, args.rules, args.tags), inside)
        self.subnet, self.group = subnet.id, firewall.group
        self.register_outputs({})
