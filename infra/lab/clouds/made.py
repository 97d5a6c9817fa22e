"""What a stack has made so far, as its state says it: also while `up` is at work in another terminal, or after it has failed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.cloud.gate import Door
from infra.cloud.machine import ENTRY_PORT
from infra.cloud.user_data import LOGIN
from infra.lab.plugins.values import HIDDEN, SIGNATURE, Json

INSTANCE, ADDRESS = "aws:ec2/instance:Instance", "aws:ec2/eip:Eip"
BUCKET, OBJECT = "aws:s3/bucket:Bucket", "aws:s3/bucketObjectv2:BucketObjectv2"
SSH_KEY, HOST_KEY, LAB = "iotlab:index:SshKey", "iotlab:index:HostKey", "iotlab:index:Lab"

PLACE = re.compile(r"arn:[\w-]+:[^:]*:([^:]*):(\d{12}):")


@dataclass(frozen=True, slots=True)
class MachineMade:
    """One machine, as far as it got: its id and address once AWS has given them, its door once its host key is known."""

    name: str
    instance: str
    address: str
    door: Door | None
    lab: Mapping[str, Any] = field(repr=False)  # what the gate found at the last `up`: doctor, addresses


@dataclass(frozen=True, slots=True)
class Made:
    """All of a stack that the verbs have to know."""

    machines: dict[str, MachineMade]
    account: str  # number of the one in which all this is; empty as long as nothing says it
    region: str  # the same of its region
    bucket: str
    bundles: frozenset[str]  # keys in it that the state knows
    allocations: frozenset[str]  # of addresses
    objects: int  # of the cloud, whatever they are
    protected: int  # of them

    @property
    def ids(self) -> list[str]:
        """The machines' ids."""
        return [machine.instance for machine in self.machines.values() if machine.instance]


def opened(value: Json) -> Json:
    """A value of an exported state, secrets as they are."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == HIDDEN:
            return opened(json.loads(value["plaintext"])) if "plaintext" in value else None
        return {key: opened(inner) for key, inner in value.items()}
    return [opened(inner) for inner in value] if isinstance(value, list) else value


def _of(resources: Sequence[Mapping[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Name -> what is known of the resources of one type, its id as `id`; of two with one name that which stays."""
    found = [one for one in resources if one["type"] == kind and not one.get("delete")]
    return {
        str(one["urn"]).rsplit("::", 1)[-1]: opened({**(one.get("inputs") or {}), **(one.get("outputs") or {})})
        | {"id": one.get("id", "")}
        for one in found
    }


def _place(resources: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Region and account; some of what is made is in an account and in no region."""
    found = [PLACE.match(str((one.get("outputs") or {}).get("arn") or "")) for one in resources]
    named = [(one.group(1), one.group(2)) for one in found if one]
    return next((region for region, _ in named if region), ""), next((account for _, account in named), "")


def made_of(deployment: Mapping[str, Any]) -> Made:
    """Read a deployment that was exported with its secrets."""
    resources = deployment.get("resources") or []
    instances, addresses, labs = (_of(resources, kind) for kind in (INSTANCE, ADDRESS, LAB))
    keys, hosts = _of(resources, SSH_KEY), _of(resources, HOST_KEY)
    own_key = next((key["private"] for key in keys.values() if key.get("private")), "")

    def machine(name: str) -> MachineMade:
        lab, address = labs.get(name, {}), str(addresses.get(name, {}).get("publicIp") or "")
        host_key = hosts.get(name, {}).get("key") or lab.get("hostKey") or ""
        private = own_key or lab.get("privateKey") or ""
        port = int(lab.get("port") or ENTRY_PORT)
        door = Door(address, port, LOGIN, str(host_key), str(private)) if address and host_key and private else None
        return MachineMade(name, str(instances.get(name, {}).get("id", "")), address, door, lab)

    buckets = _of(resources, BUCKET)
    cloudy = [one for one in resources if str(one["type"]).startswith("aws:")]
    region, account = _place(cloudy)
    return Made(
        machines={name: machine(name) for name in sorted(instances.keys() | addresses.keys())},
        account=account,
        region=region,
        bucket=next((str(bucket["id"]) for bucket in buckets.values()), ""),
        bundles=frozenset(str(one.get("key", "")) for one in _of(resources, OBJECT).values()),
        allocations=frozenset(str(address["id"]) for address in addresses.values()),
        objects=len(cloudy),
        protected=sum(bool(one.get("protect")) for one in cloudy),
    )
