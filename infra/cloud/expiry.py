"""What stops the machines of an expired stack, even if nobody remembers it: schedules of the cloud's own.

They work every hour from the day of expiry on, so a machine that somebody starts again stops again. (Each machine also stops
itself, by a timer of its own; these don't depend on what people do on the machine.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.cloud.bundle_store import allows, trusts
from infra.cloud.machine import Machine
from infra.cloud.tags import Tags

SCHEDULER = "scheduler.amazonaws.com"
STOP = "arn:aws:scheduler:::aws-sdk:ec2:stopInstances"  # the scheduler calls the API itself: nothing else is needed
EVERY = "rate(1 hours)"
LONGEST = 40  # of a host in a schedule's name, which has 64 characters with what stands around it


@dataclass(frozen=True, slots=True)
class ExpiryArgs:
    """The machines and the tags, which hold the day."""

    machines: Mapping[str, Machine]
    tags: Tags


def _short(host: str) -> str:
    return host if len(host) <= LONGEST else hashlib.sha256(host.encode()).hexdigest()[:LONGEST]


class Expiry(pulumi.ComponentResource):
    """A schedule for each machine, and the right to stop these machines and nothing else."""

    def __init__(self, name: str, args: ExpiryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """`name` names schedules and role."""
        super().__init__("iotlab:cloud:Expiry", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(name, assume_role_policy=trusts(SCHEDULER), tags=args.tags.named(name), opts=inside)
        stoppable = pulumi.Output.all(*[machine.arn for machine in args.machines.values()])
        policy = stoppable.apply(lambda arns: allows("ec2:StopInstances", *arns))
        right = aws.iam.RolePolicy(name, name=name, role=role.name, policy=policy, opts=inside)
        for host, machine in args.machines.items():  # of one request for all, an id that is gone would fail the whole
            aws.scheduler.Schedule(
                f"{name}-{_short(host)}",
                description=f"stops {host} of {args.tags.stack} from {args.tags.expires} on",
                schedule_expression=EVERY,
                start_date=f"{args.tags.expires}T00:00:00Z",
                flexible_time_window={"mode": "OFF"},
                target={
                    "arn": STOP,
                    "role_arn": role.arn,
                    "input": machine.id.apply(lambda ident: json.dumps({"InstanceIds": [ident]})),
                },
                opts=pulumi.ResourceOptions(parent=self, depends_on=[right]),
            )
        self.register_outputs({})
