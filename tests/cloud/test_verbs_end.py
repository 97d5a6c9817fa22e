"""Machines that stand still, and the end of a stack: what is left is said with its price."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.support.cloud_lab import STACK, CloudLab

TODAY = datetime.now(UTC).date()


def tags(**more: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in ({"stack": STACK, "Name": f"iotlab-{STACK}-lab"} | more).items()]


def test_a_machine_that_somebody_stopped_is_told(up: CloudLab) -> None:
    up.account.client("ec2").stop_instances(InstanceIds=[up.instance()["InstanceId"]])
    said = up.fails(1, "status")
    assert "lab stopped" in said
    assert f"./lab up -s {STACK} starts it again" in said


def test_an_expired_machine_is_told_and_a_later_day_with_up_starts_it(up: CloudLab) -> None:
    ec2, ident, before = up.account.client("ec2"), up.instance()["InstanceId"], up.cloud["expires"]
    ec2.create_tags(Resources=[ident], Tags=[{"Key": "expires", "Value": f"{TODAY}"}])
    ec2.stop_instances(InstanceIds=[ident])
    up.configure(expires=TODAY)
    said = up.fails(1, "status")
    assert f"lab expired at {up.instance()['PublicIpAddress']}" in said
    assert f"expired on {TODAY} and stopped itself; raise iotlab:cloud.expires and run ./lab up -s {STACK}" in said
    assert f"{TODAY} has come" in up.fails(2, "up")
    later = before + timedelta(days=30)
    up.configure(expires=later)
    assert f"lab is stopped since it expired on {TODAY}: it is started again" in up.ok("up")
    machine = up.instance()
    assert (machine["InstanceId"], machine["State"]["Name"]) == (ident, "running")
    assert {tag["Key"]: tag["Value"] for tag in machine["Tags"]}["expires"] == f"{later}"


def test_a_machine_that_is_gone_is_made_anew_and_one_that_no_state_knows_is_told_with_what_ends_it(up: CloudLab) -> None:
    ec2, lost = up.account.client("ec2"), up.instance()
    wanted = [{"ResourceType": "instance", "Tags": tags(owner="bob@example.org")}]
    stray = ec2.run_instances(ImageId=lost["ImageId"], MinCount=1, MaxCount=1, TagSpecifications=wanted)["Instances"][0]
    ec2.stop_instances(InstanceIds=[stray["InstanceId"]])
    ec2.terminate_instances(InstanceIds=[lost["InstanceId"]])
    assert "AWS has no such machine any more" in up.fails(1, "status")
    said = up.ok("up")
    ident = stray["InstanceId"]
    assert "This stack's tags are on what its state does not know, and it costs: " in said
    assert f"{ident} of bob@example.org (not you: ask first): " in said
    assert f"aws ec2 terminate-instances --instance-ids {ident} --region eu-central-1" in said
    ec2.terminate_instances(InstanceIds=[stray["InstanceId"]])
    assert up.instance()["InstanceId"] != lost["InstanceId"]


def test_what_aws_refuses_once_of_a_down_is_made_up_for_by_the_next_and_what_still_costs_is_named(up: CloudLab) -> None:
    ec2, ident = up.account.client("ec2"), up.instance()["InstanceId"]
    (disk,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [ident]}])["Volumes"]

    def specified(kind: str) -> dict[str, object]:
        return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags()}]}

    kept = ec2.create_snapshot(VolumeId=disk["VolumeId"], **specified("snapshot"))["SnapshotId"]
    spare = ec2.create_volume(AvailabilityZone=disk["AvailabilityZone"], Size=10, **specified("volume"))["VolumeId"]
    address = ec2.allocate_address(Domain="vpc", **specified("elastic-ip"))
    up.account.refuse("TerminateInstances")
    said = up.fails(1, "down")
    assert "Service Unavailable" in said
    assert f"The next ./lab down -s {STACK} goes on from here" in said
    assert f"machine m6i.large (running) {ident}: 83.95 USD a month; ./lab down -s {STACK} ends it" in said
    said = up.ok("down")
    assert f"lab ({ident}" in said
    assert f"snapshot of a volume of 40 GB, at most {kept}: 2.16 USD a month; aws ec2 delete-snapshot" in said
    assert f"volume of 10 GB {spare}: 0.95 USD a month; aws ec2 delete-volume --volume-id {spare}" in said
    assert f"address {address['PublicIp']}: 3.65 USD a month; aws ec2 release-address" in said
    assert f"./lab down -s {STACK} --purge removes it" in said
    assert "What still costs (6.76 USD a month" in said
    ec2.delete_snapshot(SnapshotId=kept)
    ec2.delete_volume(VolumeId=spare)
    ec2.release_address(AllocationId=address["AllocationId"])
    again = up.ok("down")
    assert "has nothing to end" in again
    assert "bundle store with 1 bundle" in again


def test_purge_says_so_and_removes_the_bundle_store_and_the_state(up: CloudLab) -> None:
    (bucket,) = up.account.client("s3").list_buckets()["Buckets"]
    said = up.ok("down", "--purge")
    assert f"The bundle store goes as well: bucket {bucket['Name']}, 1 bundle" in said
    assert "nothing costs any more" in said
    assert up.account.client("s3").list_buckets()["Buckets"] == []
    assert "nothing costs any more" in up.ok("down", "--purge")
    assert not list(up.state.glob(f"pulumi/backend/.pulumi/stacks/*/{STACK}.json"))
