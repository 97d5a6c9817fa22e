"""Machines that stand still, an `up` that was interrupted, and the end of a stack: what is left is said with its price."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.cloud_lab import STACK, CloudLab, cloud_lab
from tests.support.emulator import Emulator
from tests.support.processes import wait_until

TODAY = datetime.now(UTC).date()
MOST_ATTEMPTS = 12


@pytest.fixture(scope="module")
def filled(account: Emulator, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudLab]:
    """A stack that is filled in but not up, in an empty account."""
    account.reset()
    with cloud_lab(tmp_path_factory.mktemp("state"), account, bundle) as lab:
        yield lab


@pytest.fixture(scope="module")
def lab(filled: CloudLab) -> CloudLab:
    """The same, up."""
    filled.account.refuse(None)
    filled.ok("up")
    return filled


def tags(**more: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in ({"stack": STACK, "Name": f"iotlab-{STACK}-lab"} | more).items()]


@pytest.mark.parametrize(("at", "how"), [("CreateRole", signal.SIGINT), ("AllocateAddress", signal.SIGKILL)])
def test_an_up_that_was_interrupted_or_killed_is_gone_on_with_by_the_next(filled: CloudLab, at: str, how: signal.Signals) -> None:
    filled.account.changes.clear()
    running = filled.started("up")
    try:
        wait_until(at, lambda: any(change.startswith(at) for change in filled.account.changes), 90)
        os.killpg(running.pid, how)
        _, said = running.communicate(timeout=90)
    finally:
        running.kill()
    if how is signal.SIGINT:
        assert running.returncode == 130, said
        assert "What is made already goes on costing" in " ".join(said.split())
        assert "stopped; the next ./lab up goes on from here" in said
        assert "Traceback" not in said
        return
    filled.ok("up")
    assert filled.instance()["State"]["Name"] == "running"
    networks = filled.account.client("ec2").describe_subnets(Filters=[{"Name": "tag:stack", "Values": [STACK]}])["Subnets"]
    assert len(networks) == 1
    for address in filled.account.client("ec2").describe_addresses()["Addresses"]:  # one that the killed engine had asked for
        if "InstanceId" not in address:
            filled.account.client("ec2").release_address(AllocationId=address["AllocationId"])


def test_a_machine_that_somebody_stopped_is_told_and_the_next_up_starts_it(lab: CloudLab) -> None:
    ec2, ident = lab.account.client("ec2"), lab.instance()["InstanceId"]
    ec2.stop_instances(InstanceIds=[ident])
    said = lab.fails(1, "status")
    assert "lab stopped" in said
    assert f"./lab up -s {STACK} starts it again" in said
    assert "lab is stopped: it is started again" in lab.ok("up")
    assert lab.instance()["State"]["Name"] == "running"


def test_an_expired_machine_is_told_and_a_later_day_with_up_starts_it(lab: CloudLab) -> None:
    ec2, ident, before = lab.account.client("ec2"), lab.instance()["InstanceId"], lab.cloud["expires"]
    ec2.create_tags(Resources=[ident], Tags=[{"Key": "expires", "Value": f"{TODAY}"}])
    ec2.stop_instances(InstanceIds=[ident])
    lab.configure(expires=TODAY)
    said = lab.fails(1, "status")
    assert f"lab expired at {lab.instance()['PublicIpAddress']}" in said
    assert f"expired on {TODAY} and stopped itself; raise iotlab:cloud.expires and run ./lab up -s {STACK}" in said
    assert lab.json("status")["machines"]["lab"]["state"] == "expired"
    assert f"{TODAY} has come" in lab.fails(2, "up")
    later = before + timedelta(days=30)
    lab.configure(expires=later)
    assert f"lab is stopped since it expired on {TODAY}: it is started again" in lab.ok("up")
    machine = lab.instance()
    assert (machine["InstanceId"], machine["State"]["Name"]) == (ident, "running")
    assert {tag["Key"]: tag["Value"] for tag in machine["Tags"]}["expires"] == f"{later}"


def test_a_machine_that_is_gone_is_told_and_made_anew(lab: CloudLab) -> None:
    lost = lab.instance()["InstanceId"]
    lab.account.client("ec2").terminate_instances(InstanceIds=[lost])
    assert "AWS has no such machine any more" in lab.fails(1, "status")
    lab.ok("up")
    assert lab.instance()["InstanceId"] != lost


def test_a_machine_of_a_killed_engine_that_no_state_knows_is_told_with_what_ends_it(lab: CloudLab) -> None:
    ec2 = lab.account.client("ec2")
    wanted = [{"ResourceType": "instance", "Tags": tags()}]
    made = ec2.run_instances(ImageId=lab.instance()["ImageId"], MinCount=1, MaxCount=1, TagSpecifications=wanted)
    ident = made["Instances"][0]["InstanceId"]
    try:
        said = lab.ok("up")
        assert f"{ident} has this stack's tags and costs, but is not its machine" in said
        assert f"aws ec2 terminate-instances --region eu-central-1 --instance-ids {ident}" in said
    finally:
        ec2.terminate_instances(InstanceIds=[ident])


def test_what_aws_refuses_once_of_a_down_is_made_up_for_by_the_next(lab: CloudLab) -> None:
    lab.account.refuse("TerminateInstances|DeleteVpc|DeleteRole")
    said = lab.fails(1, "down")
    assert "Service Unavailable" in said
    assert f"The next ./lab down -s {STACK} goes on from here" in said
    assert "machine m6i.large (running)" in said  # it still costs, so it is named
    for _ in range(MOST_ATTEMPTS):
        if lab.run("down").returncode == 0:
            break
    lab.account.refuse(None)
    assert "has nothing to end" in lab.ok("down")


def test_down_says_what_still_costs_as_aws_has_it_with_how_to_remove_it(lab: CloudLab) -> None:
    lab.ok("up")
    ec2 = lab.account.client("ec2")
    (disk,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [lab.instance()["InstanceId"]]}])[
        "Volumes"
    ]
    kept = ec2.create_snapshot(VolumeId=disk["VolumeId"], TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags()}])
    spare = ec2.create_volume(
        AvailabilityZone=disk["AvailabilityZone"], Size=10, TagSpecifications=[{"ResourceType": "volume", "Tags": tags()}]
    )
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": tags()}])
    said = lab.ok("down")
    assert "lab (i-" in said
    assert "is ended, with its disk" in said
    assert f"snapshot of a volume of 40 GB, at most {kept['SnapshotId']}: 2.16 USD a month; aws ec2 delete-snapshot" in said
    assert f"volume of 10 GB {spare['VolumeId']}: 0.95 USD a month; aws ec2 delete-volume --volume-id {spare['VolumeId']}" in said
    assert f"address {address['PublicIp']}: 3.65 USD a month; aws ec2 release-address" in said
    assert f"./lab down -s {STACK} --purge removes it" in said
    assert "6.76 USD a month" in said
    ec2.delete_snapshot(SnapshotId=kept["SnapshotId"])
    ec2.delete_volume(VolumeId=spare["VolumeId"])
    ec2.release_address(AllocationId=address["AllocationId"])
    again = lab.ok("down")
    assert "has nothing to end" in again
    assert "bundle store with 1 bundle" in again


def test_purge_says_so_and_removes_the_bundle_store_and_the_state(lab: CloudLab) -> None:
    (bucket,) = lab.account.client("s3").list_buckets()["Buckets"]
    said = lab.ok("down", "--purge")
    assert f"The bundle store goes as well: bucket {bucket['Name']}, 1 bundle" in said
    assert "nothing costs any more" in said
    assert lab.account.client("s3").list_buckets()["Buckets"] == []
    assert "nothing costs any more" in lab.ok("down", "--purge")
    assert not list(lab.state.glob(f"pulumi/backend/.pulumi/stacks/*/{STACK}.json"))
