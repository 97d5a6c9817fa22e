"""A person's way with a stack that makes machines, from its file to its end: `./lab` as a process, AWS emulated."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3

from tests.support.cloud_lab import STACK, CloudLab
from tests.support.lab import ROOT

TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)
MANY_KEYS = [
    f"ssh-rsa {base64.b64encode(random.Random(number).randbytes(400)).decode()} many@example.org" for number in range(40)
]
LOGGED_OUT = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


# before anything is made


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"owner": "", "sshKeys": []}, "fill in under iotlab:cloud: owner: "),
        ({"monthlyLimit": 5}, "iotlab:cloud.monthlyLimit is 5: take fewer iotlab:machines"),
        ({"expires": YESTERDAY}, f"iotlab:cloud.expires: {YESTERDAY} has come"),
        ({"bundle": "nowhere.tar.zst"}, "nowhere.tar.zst cannot be read"),
        ({"sshKeys": MANY_KEYS}, "the user data has"),
        ({"kubernetes": "embedded", "knative": True}, "knative is an add-on of microk8s"),
        ({"bundle": 64 * "a"}, "names a bundle by its SHA-256, and the store of this stack has none like it"),
    ],
)
def test_what_may_not_be_made_is_refused_before_anything(filled: CloudLab, keys: dict[str, object], said: str) -> None:
    before, changes = dict(filled.cloud), len(filled.account.changes)
    filled.configure(**keys)
    try:
        assert said in filled.fails(2, "up")
    finally:
        filled.cloud = before
        filled.configure()
    assert len(filled.account.changes) == changes


@pytest.mark.parametrize("verb", ["up", "down", "bundle address"])
def test_without_credentials_a_sentence_says_how_to_log_in(filled: CloudLab, verb: str) -> None:
    said = filled.fails(2, verb, env=LOGGED_OUT)
    assert "there are no AWS credentials here" in said
    assert "aws sso login" in said


def test_without_the_published_plugin_a_sentence_says_where_it_comes_from(filled: CloudLab) -> None:
    said = filled.fails(2, "up", env={"PATH": os.environ["PATH"]})
    assert "Pulumi's AWS plugin" in said
    assert "IOTLAB_SEALED=1 forbids" in said


def test_verbs_that_ask_machines_say_that_there_is_none_yet(filled: CloudLab) -> None:
    assert f"has no machine yet; make it with ./lab up -s {STACK}" in filled.fails(2, "access")
    assert "lab not made" in filled.fails(1, "status")
    assert "has nothing to end" in filled.ok("down")


# up


def test_up_says_first_what_it_makes_and_costs_and_who_pays(filled: CloudLab, said_by_up: str) -> None:
    first, made = said_by_up.split("… Machines of the stack", 1)
    assert "1 machine (lab), m6i.large with 2 vCPUs and 8 GB, in eu-central-1" in first
    assert "USD an hour" in first
    assert f"until {filled.cloud['expires']}" in first
    assert "lab.tar.zst goes up into the store first" in first
    assert "AWS account 123456789012 pays" in first
    assert "lab: AWS has started the machine" in made
    assert f"ssh ubuntu@{filled.instance()['PublicIpAddress']}" in made
    assert f"./lab down -s {STACK}" in made


def test_a_second_up_changes_nothing(up: CloudLab) -> None:
    up.account.changes.clear()
    assert "nothing changed" in up.ok("up")
    assert up.account.changes == []


def test_the_state_says_it_without_credentials_too(up: CloudLab) -> None:
    said = " ".join(up.run("status", env=LOGGED_OUT).stdout.split())
    assert f"lab unknown at {up.instance()['PublicIpAddress']}" in said
    assert "whether it runs could not be asked: there are no AWS credentials here" in said


def test_env_gives_a_shell_in_which_pulumi_sees_the_same_stack(up: CloudLab) -> None:
    script = f'eval "$(./lab env -s {STACK})" && pulumi preview -s {STACK} --non-interactive --expect-no-changes'
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=up.env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# the bundle's address


def test_a_bundles_address_opens_it_and_is_all_on_standard_output(up: CloudLab, bundle: Path) -> None:
    done = up.run("bundle address", "--hours", "2")
    (line,) = done.stdout.splitlines()
    url, _, digest = line.partition("#sha256=")
    assert digest == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert "X-Amz-Expires=7200" in url
    assert urllib3.request("GET", url, timeout=10).data == bundle.read_bytes()
    assert "A secret: until" in done.stderr
    assert url not in done.stderr


# machines that stand still, and the end


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
        return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags(owner=str(up.cloud["owner"]))}]}

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
