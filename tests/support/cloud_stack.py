"""The lab's own program with Pulumi's engine against an emulated account."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.emulator import ANYONE, REGION, Emulator
from tests.support.engine import Stack

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl student@example.org"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGDjxFJAq2Gk7Yt4rq4hQn2m3lUXc8Kz3Xw0pVtqJ6xZ student@example.org"


class CloudStack:
    """A stack as a person fills it in, and the account that it is made in."""

    def __init__(self, folder: Path, account: Emulator, bundle: Path) -> None:
        """Nothing is made yet."""
        self.account = account
        self.engine = Stack.of_the_lab(folder, "aws", ANYONE | account.env)
        self.cloud: dict[str, Any] = {
            "region": REGION,
            "ownerCidr": "203.0.113.7/32",
            "owner": "ada@example.org",
            "expires": f"{datetime.now(UTC).date() + timedelta(days=30)}",
            "sshKeys": [KEY],
            "bundle": str(bundle),
        }
        self.settings: dict[str, Any] = {"scale": "S", "services": ["core"]}
        self.configure()

    def configure(self, **cloud: Any) -> None:
        """Change keys of `iotlab:cloud`; the others stay."""
        self.cloud |= cloud
        self.engine.configure(self.settings | {"cloud": self.cloud})

    def up(self) -> dict[str, int]:
        """Run `pulumi up` and return what it did, by Pulumi's words."""
        return done(self.engine.up())

    def refresh(self) -> dict[str, int]:
        """Run `pulumi refresh` and return what it found."""
        return done(self.engine.ok("refresh", "--yes", "--skip-preview"))

    # the account as boto3 sees it

    def instances(self) -> list[dict[str, Any]]:
        """The machines that aren't terminated."""
        states = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
        found = self.account.client("ec2").describe_instances(Filters=states)["Reservations"]
        return [machine for reservation in found for machine in reservation["Instances"]]

    def machine(self) -> dict[str, Any]:
        """The only machine."""
        (one,) = self.instances()
        return one

    def rules(self) -> list[dict[str, Any]]:
        """The rules of the machines' security group."""
        ec2, groups = self.account.client("ec2"), [group["GroupId"] for group in self.machine()["SecurityGroups"]]
        found: list[dict[str, Any]] = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": groups}])[
            "SecurityGroupRules"
        ]
        return found

    def bucket(self) -> str:
        """The only bucket."""
        (one,) = self.account.client("s3").list_buckets()["Buckets"]
        return str(one["Name"])

    def made(self) -> dict[str, int]:
        """How many the account has of what a stack makes, by Pulumi's types; without what AWS puts there itself."""
        ec2, iam = self.account.client("ec2"), self.account.client("iam")
        vpcs = [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]]
        inside = [{"Name": "vpc-id", "Values": vpcs or ["vpc-00000000"]}]
        groups = [one for one in ec2.describe_security_groups(Filters=inside)["SecurityGroups"] if one["GroupName"] != "default"]
        ours = [{"Name": "group-id", "Values": [group["GroupId"] for group in groups] or ["sg-00000000"]}]
        rules = ec2.describe_security_group_rules(Filters=ours)["SecurityGroupRules"]
        found = {
            "aws:ec2/vpc:Vpc": vpcs,
            "aws:ec2/subnet:Subnet": ec2.describe_subnets(Filters=inside)["Subnets"],
            "aws:ec2/internetGateway:InternetGateway": ec2.describe_internet_gateways()["InternetGateways"],
            "aws:ec2/securityGroup:SecurityGroup": groups,
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": [rule for rule in rules if not rule["IsEgress"]],
            "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": [rule for rule in rules if rule["IsEgress"]],
            "aws:ec2/instance:Instance": self.instances(),
            "aws:ec2/eip:Eip": ec2.describe_addresses()["Addresses"],
            "aws:ec2/keyPair:KeyPair": ec2.describe_key_pairs()["KeyPairs"],
            "aws:s3/bucket:Bucket": self.account.client("s3").list_buckets()["Buckets"],
            "aws:iam/role:Role": iam.list_roles()["Roles"],
            "aws:iam/instanceProfile:InstanceProfile": iam.list_instance_profiles()["InstanceProfiles"],
            "aws:scheduler/schedule:Schedule": self.account.client("scheduler").list_schedules()["Schedules"],
        }
        return {kind: len(things) for kind, things in found.items()}

    def recorded(self) -> dict[str, int]:
        """How many of these the state has."""
        kinds = Counter(str(resource["type"]) for resource in self.engine.resources().values())
        return {kind: kinds[kind] for kind in self.made()}


def done(said: str) -> dict[str, int]:
    """The figures of Pulumi's summary: `{"created": 37}`."""
    summary = said.rpartition("Resources:")[2]
    return {word: int(number) for number, word in re.findall(r"^\s+[^\w\s]*\s*(\d+) (\w+)", summary, re.MULTILINE)}
