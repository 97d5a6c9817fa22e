"""A stack's life: the unmodified program, Pulumi's real engine, AWS emulated."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests.support.cloud_stack import KEY, OTHER_KEY, CloudStack
from tests.support.emulator import NEWEST
from tests.support.ssh_machine import ADDRESS

QUIET = {"unchanged"}


def outputs(lab: CloudStack, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.engine.ok("stack", "output", "--json", *words))
    return found


def resource(lab: CloudStack, kind: str) -> dict[str, Any]:
    (found,) = (one["outputs"] for one in lab.engine.resources().values() if one["type"] == f"iotlab:index:{kind}")
    outputs: dict[str, Any] = found
    return outputs


def test_a_machine_starts_from_canonicals_newest_image_and_not_from_a_newer_one_of_somebody_else(lab: CloudStack) -> None:
    assert lab.machine()["ImageId"] == NEWEST


def test_a_machine_has_an_encrypted_disk_version_2_metadata_and_an_address_that_stays(lab: CloudStack) -> None:
    machine, ec2 = lab.machine(), lab.account.client("ec2")
    (disk,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [machine["InstanceId"]]}])["Volumes"]
    assert (disk["VolumeType"], disk["Encrypted"], disk["Size"] >= 32) == ("gp3", True, True)
    assert machine["MetadataOptions"]["HttpTokens"] == "required"
    assert machine["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    (address,) = ec2.describe_addresses()["Addresses"]
    assert address["InstanceId"] == machine["InstanceId"]


def test_a_machine_is_told_the_bundle_by_name_and_hash_and_may_read_that_and_nothing_else(lab: CloudStack, bundle: Path) -> None:
    machine, digest = lab.machine(), hashlib.sha256(bundle.read_bytes()).hexdigest()
    told = lab.account.client("ec2").describe_instance_attribute(InstanceId=machine["InstanceId"], Attribute="userData")
    text = gzip.decompress(base64.b64decode(told["UserData"]["Value"])).decode()
    key = f"bundles/{digest}.tar.zst"
    assert text.startswith("#cloud-config\n")
    assert yaml.safe_load(text)["hostname"] == "lab"
    assert f"s3://{lab.bucket()}/{key}" in text
    stored = lab.account.client("s3").get_object(Bucket=lab.bucket(), Key=key)
    assert stored["Body"].read() == bundle.read_bytes()
    iam = lab.account.client("iam")
    (profile,) = iam.list_instance_profiles()["InstanceProfiles"]
    role = profile["Roles"][0]["RoleName"]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    (allowed,) = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]
    assert (allowed["Action"], allowed["Resource"]) == ("s3:GetObject", [f"arn:aws:s3:::{lab.bucket()}/{key}"])
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


def test_ports_are_open_to_the_owner_alone_and_every_rule_says_why(lab: CloudStack) -> None:
    rules = lab.rules()
    comes_in = {rule["FromPort"]: rule for rule in rules if not rule["IsEgress"]}
    assert 22 in comes_in
    assert {rule["CidrIpv4"] for rule in comes_in.values()} == {"203.0.113.7/32"}
    assert all(rule["Description"] for rule in rules)
    assert len([rule for rule in rules if rule["IsEgress"]]) == 1  # the one that is written down, not AWS's own


def test_the_bundles_store_is_closed(lab: CloudStack) -> None:
    s3, bucket = lab.account.client("s3"), lab.bucket()
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]


def test_an_expired_stack_is_stopped_by_a_schedule_for_this_machine(lab: CloudStack) -> None:
    scheduler = lab.account.client("scheduler")
    (listed,) = scheduler.list_schedules()["Schedules"]
    schedule = scheduler.get_schedule(Name=listed["Name"])
    assert f"{schedule['StartDate']:%Y-%m-%d}" == lab.cloud["expires"]
    assert lab.machine()["InstanceId"] in schedule["Target"]["Input"]


def test_a_stack_ends_with_its_labs_doctor_addresses_and_the_kubeconfig_as_a_secret(lab: CloudStack) -> None:
    shown = outputs(lab)
    assert shown["doctor"] == {"lab": {"ok": True, "red": {}}}
    assert shown["services"] == {"lab": {"mosquitto": f"mqtt://{ADDRESS}:31883"}}
    assert shown["kubeconfig"] == {"lab": "[secret]"}
    (cluster,) = yaml.safe_load(outputs(lab, "--show-secrets")["kubeconfig"]["lab"])["clusters"]
    assert cluster["cluster"] == {"server": f"https://{ADDRESS}:16443", "tls-server-name": "kubernetes"}
    stored = json.dumps(lab.engine.resources())
    assert "PRIVATE KEY" not in stored
    assert "made-there" not in stored


def test_the_stacks_own_key_is_among_the_machines_and_the_host_key_is_what_the_console_showed(lab: CloudStack) -> None:
    keys = lab.account.machine.read("/etc/iotlab/authorized_keys").splitlines()
    assert keys == [KEY, resource(lab, "SshKey")["public"]]
    assert resource(lab, "HostKey")["key"] == lab.account.machine.host_line


def test_a_second_up_changes_nothing_and_asks_the_machine_nothing(lab: CloudStack) -> None:
    lab.account.changes.clear()
    lab.account.machine.calls()
    assert set(lab.up()) == QUIET
    assert lab.account.changes == []
    assert lab.account.machine.calls() == []


def test_a_change_is_made_in_place(lab: CloudStack) -> None:
    before, later = lab.machine(), "2099-03-01"
    lab.account.machine.runs()
    changed = {"ownerCidr": "203.0.113.8/32", "machineType": "m6i.xlarge", "diskGb": 50, "expires": later}
    lab.configure(owner="grace@example.org", **changed)
    done = lab.up()
    assert set(done) == {"updated", "unchanged"}
    after = lab.machine()
    assert (after["InstanceId"], after["InstanceType"], after["State"]["Name"]) == (before["InstanceId"], "m6i.xlarge", "running")
    assert {tag["Key"]: tag["Value"] for tag in after["Tags"]}["owner"] == "grace@example.org"
    assert {rule["CidrIpv4"] for rule in lab.rules() if not rule["IsEgress"]} == {"203.0.113.8/32"}
    filters = [{"Name": "attachment.instance-id", "Values": [after["InstanceId"]]}]
    assert lab.account.client("ec2").describe_volumes(Filters=filters)["Volumes"][0]["Size"] == 50
    assert lab.account.machine.read("/etc/iotlab/expires") == f"{later}\n"
    assert lab.account.machine.runs() == []  # no stage is made from the day


def test_another_key_and_another_bundle_reach_the_machine_which_stays(lab: CloudStack, tmp_path: Path) -> None:
    machine = lab.machine()["InstanceId"]
    newer = tmp_path / "newer.tar.zst"
    newer.write_bytes(b"a newer bundle")
    lab.configure(sshKeys=[OTHER_KEY], bundle=str(newer))
    assert lab.up()["replaced"] == 1
    stored = lab.account.client("s3").list_objects_v2(Bucket=lab.bucket())["Contents"]
    assert len(stored) == 2  # the older bundle is what the machine runs until it has the newer
    machine_keys = lab.account.machine.read("/etc/iotlab/authorized_keys")
    assert OTHER_KEY in machine_keys
    assert KEY not in machine_keys
    assert hashlib.sha256(newer.read_bytes()).hexdigest() in lab.account.machine.read("/etc/iotlab/stages/60-bundle.env")
    assert lab.account.machine.runs() == ["60-bundle", "90-lab"]
    assert lab.machine()["InstanceId"] == machine
    assert set(lab.up()) == QUIET


def test_refresh_finds_what_was_changed_behind_its_back_and_up_puts_it_right(lab: CloudStack) -> None:
    ec2, s3 = lab.account.client("ec2"), lab.account.client("s3")
    ssh = next(rule for rule in lab.rules() if rule.get("FromPort") == 22)
    opened = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0"}
    ec2.modify_security_group_rules(
        GroupId=ssh["GroupId"],
        SecurityGroupRules=[{"SecurityGroupRuleId": ssh["SecurityGroupRuleId"], "SecurityGroupRule": opened}],
    )
    s3.put_bucket_versioning(Bucket=lab.bucket(), VersioningConfiguration={"Status": "Suspended"})
    ec2.create_tags(Resources=[lab.machine()["InstanceId"]], Tags=[{"Key": "expires", "Value": "2099-12-31"}])
    assert lab.refresh()["updated"] == 3
    assert lab.up()["updated"] == 3
    assert {rule["CidrIpv4"] for rule in lab.rules() if not rule["IsEgress"]} == {lab.cloud["ownerCidr"]}
    assert s3.get_bucket_versioning(Bucket=lab.bucket())["Status"] == "Enabled"
    assert {tag["Key"]: tag["Value"] for tag in lab.machine()["Tags"]}["expires"] == lab.cloud["expires"]


def test_a_machine_that_was_terminated_is_made_anew_with_its_old_address(lab: CloudStack) -> None:
    ec2, lost = lab.account.client("ec2"), lab.machine()["InstanceId"]
    (before,) = ec2.describe_addresses()["Addresses"]
    ec2.terminate_instances(InstanceIds=[lost])
    assert lab.refresh()["deleted"] == 1
    lab.account.boots = False
    lab.configure(reachableWithinMin=0.02)
    assert "has shown no host key within 0.02 min" in lab.engine.fails("up", "--yes", "--skip-preview")
    lab.account.boots = True
    lab.up()
    assert resource(lab, "HostKey")["key"] == lab.account.machine.host_line
    (after,) = ec2.describe_addresses()["Addresses"]
    assert after["PublicIp"] == before["PublicIp"]
    assert after["InstanceId"] == lab.machine()["InstanceId"] != lost


def test_destroy_leaves_the_bundles_store_alone_and_says_so(lab: CloudStack) -> None:
    said = lab.engine.fails("destroy", "--yes", "--skip-preview")
    assert "protected" in said
    assert re.search(r"aws:s3/bucket\w*:Bucket\w*::bundle", said)  # the store, or what keeps it closed, whichever comes first
    assert {kind for kind, number in lab.made().items() if number} == {"aws:s3/bucket:Bucket"}
    assert lab.account.client("s3").get_public_access_block(Bucket=lab.bucket())  # what stays is still closed
    lab.engine.ok("destroy", "--yes", "--skip-preview", "--exclude-protected")
    assert all(resource["protect"] for resource in lab.engine.resources().values() if resource["type"].startswith("aws:"))
