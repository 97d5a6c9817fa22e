"""One machine: a VM that makes itself a lab from the bundle, with an address that stays.

What it is told stands in its user data and is not secret; what changes later reaches it over SSH, so neither a newer Ubuntu nor
other user data ever replaces a machine that people work on.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.cloud.facts import MachineFacts
from infra.cloud.resources import HostKey, Lab, LabArgs, SshKey
from infra.cloud.tags import Tags
from infra.cloud.user_data import cloud_config, packed
from infra.cloud_settings import CloudSettings
from infra.machine_ports import SSH_PORT
from infra.scales import MachineType

ENTRY_PORT = int(os.environ.get("IOTLAB_ENTRY_PORT") or SSH_PORT)  # another one for tests, whose machine is a process of theirs
LATER = ["ami", "keyName", "userDataBase64"]  # changes of these replace or restart a machine, and cloud-init would not run again


def user_data(told: MachineFacts) -> str:
    """The machine's user data as the cloud takes it."""
    return base64.b64encode(packed(cloud_config(told))).decode()


def _disk(cloud: CloudSettings, tags: dict[str, str]) -> dict[str, object]:
    return {
        "volume_type": "gp3",
        "volume_size": cloud.disk_gb,
        "encrypted": True,
        "delete_on_termination": True,
        "tags": tags,
    }


@dataclass(frozen=True, slots=True)
class Place:
    """What all machines of a stack share: where they stand, from which image they start, who may log in and read what."""

    subnet: pulumi.Output[str]
    group: pulumi.Output[str]
    image: pulumi.Output[str]
    key: pulumi.Output[str]
    profile: pulumi.Output[str]
    needs: tuple[pulumi.Resource, ...]
    tags: Tags
    gate: SshKey
    open_ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MachineArgs:
    """What can differ: what it is told once its address is known, its size, and how it is waited for."""

    told: Callable[[pulumi.Output[str]], pulumi.Output[MachineFacts]]
    machine_type: MachineType
    cloud: CloudSettings


class Machine(pulumi.ComponentResource):
    """The instance, its address, and the lab that it makes itself."""

    def __init__(self, name: str, args: MachineArgs, place: Place, opts: pulumi.ResourceOptions | None = None) -> None:
        """`name` is the host's name."""
        super().__init__("iotlab:cloud:Machine", name, None, opts)
        tags = place.tags.named(name)
        # version 2 alone; one hop, so that no pod gets at the machine's rights
        asked = {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 1}
        inside = pulumi.ResourceOptions(parent=self)
        needs = pulumi.ResourceOptions(parent=self, depends_on=list(place.needs))
        # before the machine, which is told it; the two meet by the association below
        address = aws.ec2.Eip(name, domain="vpc", tags=tags, opts=needs)
        self.address = address.public_ip
        told = args.told(self.address).apply(user_data)
        instance = aws.ec2.Instance(
            name,
            ami=place.image,
            instance_type=args.machine_type.name,
            subnet_id=place.subnet,
            vpc_security_group_ids=[place.group],
            key_name=place.key,
            iam_instance_profile=place.profile,
            root_block_device=_disk(args.cloud, tags),
            metadata_options=asked,
            credit_specification={"cpu_credits": "standard"} if args.machine_type.burstable else None,
            instance_initiated_shutdown_behavior="stop",
            user_data_base64=told,
            tags=tags,
            opts=pulumi.ResourceOptions.merge(needs, pulumi.ResourceOptions(ignore_changes=LATER)),
        )
        reached = aws.ec2.EipAssociation(name, allocation_id=address.id, instance_id=instance.id, opts=inside)
        self.id, self.arn = instance.id, instance.arn
        known = args.cloud.host_keys.get(name, "")
        key = HostKey(name, self.id, args.cloud.region, known, args.cloud.reachable_within_min, inside).key
        waits = (args.cloud.reachable_within_min, args.cloud.ready_within_min)
        size = args.machine_type.name
        entry = LabArgs(self.address, ENTRY_PORT, key, place.gate.private, told, self.id, size, place.open_ports, waits)
        self.lab = Lab(name, entry, pulumi.ResourceOptions(parent=self, depends_on=[*place.needs, reached]))
        self.register_outputs({"address": self.address})
