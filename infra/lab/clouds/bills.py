"""What still costs of a stack, asked of AWS by the stack's tags: nothing is concluded from what ought to be gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from infra.cloud import prices
from infra.cloud.prices import Region
from infra.lab.clouds.account import Account
from infra.lab.clouds.made import Made

GB = 1e9
OVER = frozenset({"terminated", "shutting-down"})
STOPPED = frozenset({"stopped", "stopping"})


@dataclass(frozen=True, slots=True)
class Bill:
    """One thing that costs, a month of it in USD (None where the table knows no price), and what removes it."""

    what: str
    ident: str
    usd_month: float | None
    remedy: str
    known: bool  # to the stack's state: its own, for the next `down` to end
    owner: str  # as its tags say

    @property
    def price(self) -> str:
        """For a person."""
        return "price unknown" if self.usd_month is None else f"{self.usd_month:.2f} USD a month"

    def line(self, asker: str) -> str:
        """For a person, who is told if it is somebody else's: stacks of several people have the same name."""
        whose = "" if self.owner == asker else f" of {self.owner or 'an owner that no tag names'} (not you: ask first)"
        return f"{self.what} {self.ident}{whose}: {self.price}; {self.remedy}"


def _owner(tags: Iterable[Mapping[str, str]]) -> str:
    return next((tag["Value"] for tag in tags if tag["Key"] == "owner"), "")


def _machine(size: str, region: Region) -> float | None:
    return region.machine_h.get(size)


class Bills:
    """Everything with a stack's tags that costs."""

    def __init__(self, account: Account, stack: str, made: Made) -> None:
        """`made` says what the stack's state still knows: that is the next `down`'s to end."""
        self._account = account
        self.region = account.region
        self._stack = stack
        self._made = made
        self._prices: Region | None = prices.table().regions.get(account.region)
        self._hours = prices.table().hours_a_month

    def all(self) -> list[Bill]:
        """All of it.

        Raises:
            LabError: AWS could not be asked.
        """
        return [*self._machines(), *self._volumes(), *self._snapshots(), *self._addresses(), *self._stores()]

    @property
    def _tags(self) -> list[dict[str, Any]]:
        return [
            {"Name": "tag:stack", "Values": [self._stack]},
            {"Name": "tag:Name", "Values": [f"iotlab-{self._stack}-*"]},
        ]

    def _aws(self, words: str) -> str:
        return f"aws ec2 {words} --region {self._account.region}"

    def _remedy(self, ident: str, words: str) -> str:
        """What ends it: the lab, if it knows it."""
        return f"./lab down -s {self._stack} ends it" if ident in self._made.ids else self._aws(f"{words} {ident}")

    def _price(self, what: Callable[[Region], float | None], count: float) -> float | None:
        """A month of `count` of it."""
        per = what(self._prices) if self._prices else None
        return None if per is None else per * count

    def _machines(self) -> Iterator[Bill]:
        found = self._account.all("ec2", "describe_instances", "Reservations", Filters=self._tags)
        for one in [one for each in found for one in each["Instances"] if one["State"]["Name"] not in OVER]:
            ident, size, state = str(one["InstanceId"]), str(one["InstanceType"]), str(one["State"]["Name"])
            hours = 0 if state in STOPPED else self._hours
            month = self._price(partial(_machine, size), hours)
            remedy = self._remedy(ident, "terminate-instances --instance-ids")
            known = ident in self._made.ids
            yield Bill(f"machine {size} ({state})", ident, month, remedy, known, _owner(one["Tags"]))

    def _volumes(self) -> Iterator[Bill]:
        for one in self._account.all("ec2", "describe_volumes", "Volumes", Filters=self._tags):
            ident, gb = str(one["VolumeId"]), int(one["Size"])
            holders = [str(held["InstanceId"]) for held in one.get("Attachments") or ()]
            remedy = f"goes with {holders[0]}" if holders else self._aws(f"delete-volume --volume-id {ident}")
            price = self._price(lambda region: region.disk_gb_month, gb)
            known = any(holder in self._made.ids for holder in holders)
            yield Bill(f"volume of {gb} GB", ident, price, remedy, known, _owner(one["Tags"]))

    def _snapshots(self) -> Iterator[Bill]:
        found = self._account.all("ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=self._tags)
        for one in found:
            ident, gb = str(one["SnapshotId"]), int(one["VolumeSize"])
            remedy = self._aws(f"delete-snapshot --snapshot-id {ident}")
            price = self._price(lambda region: region.snapshot_gb_month, gb)
            yield Bill(f"snapshot of a volume of {gb} GB, at most", ident, price, remedy, known=False, owner=_owner(one["Tags"]))

    def _addresses(self) -> Iterator[Bill]:
        for one in self._account.ask("ec2", "describe_addresses", Filters=self._tags)["Addresses"]:
            ident, ip = str(one["AllocationId"]), str(one["PublicIp"])
            ours = f"./lab down -s {self._stack} gives it back"
            known = ident in self._made.allocations
            remedy = ours if known else self._aws(f"release-address --allocation-id {ident}")
            price = self._price(lambda region: region.address_h, self._hours)
            yield Bill("address", ip, price, remedy, known, _owner(one["Tags"]))

    def _stores(self) -> Iterator[Bill]:
        tags = [{"Key": "stack", "Values": [self._stack]}, {"Key": "Name", "Values": [f"iotlab-{self._stack}-bundle"]}]
        found = self._account.all(
            "resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", TagFilters=tags, ResourceTypeFilters=["s3"]
        )
        for one in found:
            bucket = str(one["ResourceARN"]).rsplit(":", 1)[-1]
            if "/" not in bucket and self._account.has_bucket(bucket):
                yield self._store(bucket, _owner(one["Tags"]))

    def _store(self, bucket: str, owner: str) -> Bill:
        versions = self._account.versions(bucket)
        size = sum(int(one.get("Size", 0)) for one in versions) / GB
        bundles = len({one["Key"] for one in versions})
        what = f"bundle store with {bundles} bundle{'' if bundles == 1 else 's'}, {size * 1000:,.0f} MB, in the bucket"
        ours = f"kept for the next up; ./lab down -s {self._stack} --purge removes it"
        known = bucket == self._made.bucket
        remedy = ours if known else "not of this lab's state: empty and delete it on AWS's page of buckets"
        return Bill(what, bucket, self._price(lambda region: region.store_gb_month, size), remedy, known, owner)
