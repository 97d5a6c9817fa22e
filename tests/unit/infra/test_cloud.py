"""What the program asks of the cloud, recorded by mocks: who gets in, what is readable, what stops it, what stays."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import wiring
from infra.cloud.user_data import MOST_BYTES
from infra.scales import SCALES
from infra.settings import Settings, SettingsError
from tests.support.cloud import (
    BUNDLE,
    CLOUD,
    INGRESS,
    INSTANCE,
    KEY,
    OWNER_CIDR,
    ROLE_POLICY,
    SCHEDULE,
    UNTAGGABLE,
    machines,
    user_data,
)
from tests.support.program import CHART, run_program

RULE = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}")  # EC2's own words on a rule's description
BUCKET = "aws:s3/bucket:Bucket"
OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
CLASS = tuple(f"modtec-{number:02d}-st17a" for number in range(2, 26))


def test_a_stack_of_machines_makes_no_service_itself() -> None:
    assert machines().of(CHART) == {}
    assert not [asked.type for asked in machines().asked if asked.type.startswith("kubernetes:")]


def test_every_port_is_open_to_the_owner_alone() -> None:
    rules = machines(services=("core", "teaching", "lessons", "observing")).of(INGRESS)
    assert {rule.inputs["cidrIpv4"] for rule in rules.values()} == {OWNER_CIDR}
    assert all(rule.inputs["fromPort"] == rule.inputs["toPort"] for rule in rules.values())
    assert {int(rule.inputs["fromPort"]) for rule in rules.values()} == {
        *(22, 16443, 31883, 31884, 30880, 30443, 32600, 32088, 30300),
    }


def test_what_is_sent_in_the_open_on_purpose_never_leaves_a_machine() -> None:
    opened = {int(rule.inputs["fromPort"]) for rule in machines(services=("core", "teaching", "lessons")).of(INGRESS).values()}
    assert not opened & {wiring.node_port("registry"), wiring.node_port("headlamp"), wiring.NFS_PORT}


def test_ports_are_those_of_the_services_that_a_machine_runs() -> None:
    assert set(machines(services=("core",)).of(INGRESS)) == {
        f"firewall-{name}" for name in ("ssh-22", "kubernetes-16443", "mosquitto-31883", "mosquitto-31884", "ingress-30443")
    }


def test_an_embedded_cluster_serves_loopback_so_only_ssh_is_open() -> None:
    assert set(machines(kubernetes="embedded").of(INGRESS)) == {"firewall-ssh-22"}


def test_every_rule_says_its_login_and_its_reason_as_the_cloud_takes_it() -> None:
    for rule in machines(openReason="two sites (A, B)").of(INGRESS).values():
        said = rule.inputs["description"]
        assert RULE.fullmatch(said), said
        assert "Login: " in said
        assert f"open to {OWNER_CIDR} because two sites (A, B)" in said


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "0.0.0.0/1", "203.0.0.0/8"])
def test_the_world_gets_in_only_with_a_reason_which_stands_in_the_rules(cidr: str) -> None:
    with pytest.raises(SettingsError, match="opens the machines to strangers: write the address"):
        machines(ownerCidr=cidr)
    rules = machines(ownerCidr=cidr, openReason="public demo").of(INGRESS).values()
    assert {rule.inputs["cidrIpv4"] for rule in rules} == {cidr}
    assert all(f"open to {cidr} because public demo" in rule.inputs["description"] for rule in rules)


def test_the_metadata_service_wants_a_token_and_no_pod_reaches_it() -> None:
    asked = machines().of(INSTANCE)["lab"].inputs["metadataOptions"]
    assert (asked["httpTokens"], asked["httpPutResponseHopLimit"]) == ("required", 1)


def test_the_disk_is_encrypted_and_as_large_as_asked() -> None:
    disk = machines(diskGb=64).of(INSTANCE)["lab"].inputs["rootBlockDevice"]
    assert (disk["encrypted"], disk["volumeType"], disk["volumeSize"]) == (True, "gp3", 64)


def test_everything_that_can_have_tags_says_stack_owner_and_expiry() -> None:
    wanted = {"stack": "test", "owner": CLOUD["owner"], "expires": CLOUD["expires"]}
    for asked in machines(bundle=str(Path(__file__))).asked:
        if asked.type.startswith("aws:") and asked.type not in UNTAGGABLE:
            assert asked.inputs["tags"].items() >= wanted.items(), asked.type
    assert machines().of(INSTANCE)["lab"].inputs["rootBlockDevice"]["tags"].items() >= wanted.items()


def test_a_machine_may_read_its_bundle_and_nothing_else() -> None:
    recording = machines()
    assert recording.of(INSTANCE)["lab"].inputs["iamInstanceProfile"].startswith("bundle")
    (statement,) = json.loads(recording.of(ROLE_POLICY)["bundle"].inputs["policy"])["Statement"]
    (readable,) = statement["Resource"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "s3:GetObject")
    assert re.fullmatch(rf"arn:aws:s3:::bundle-[0-9a-f]{{7}}/bundles/{BUNDLE}\.tar\.zst", readable)
    text, _ = user_data(recording)
    assert f"s3://{readable.removeprefix('arn:aws:s3:::')}" in text


def test_the_store_is_closed_encrypted_versioned_and_speaks_tls_only() -> None:
    recording = machines()
    closed = recording.of("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")["bundle"].inputs
    assert {key for key, value in closed.items() if value is True} == {
        *("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"),
    }
    versions = recording.of("aws:s3/bucketVersioning:BucketVersioning")["bundle"].inputs
    assert versions["versioningConfiguration"]["status"] == "Enabled"
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    assert "AES256" in json.dumps(recording.of(kind)["bundle"].inputs)
    (refusal,) = json.loads(recording.of("aws:s3/bucketPolicy:BucketPolicy")["bundle"].inputs["policy"])["Statement"]
    assert (refusal["Effect"], refusal["Principal"], refusal["Action"]) == ("Deny", "*", "s3:*")
    assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_store_stays_with_all_that_closes_it_when_the_stack_ends(tmp_path: Path) -> None:
    file = tmp_path / "lab.tar.zst"
    file.write_bytes(b"packed")
    recording = machines(bundle=str(file))
    kept = {asked.type for asked in recording.asked if asked.protected}
    assert kept == {asked.type for asked in recording.asked if asked.type.startswith("aws:s3/bucket") and asked.type != OBJECT}
    stored = recording.of(OBJECT)["bundle"]
    assert stored.retained
    assert stored.inputs["key"] == f"bundles/{hashlib.sha256(b'packed').hexdigest()}.tar.zst"


def test_a_bundle_in_the_store_is_named_by_its_hash_and_not_uploaded_again() -> None:
    assert machines().of(OBJECT) == {}


def test_a_bundle_that_is_nowhere_is_refused_with_the_command_that_makes_it() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.tar\.zst cannot be read .*; make it by \./lab bundle export"):
        machines(bundle="/nowhere.tar.zst")


def test_user_data_fits_and_holds_no_secret() -> None:
    recording = machines()
    text, size = user_data(recording)
    assert size <= MOST_BYTES
    assert KEY in text
    assert "PRIVATE KEY" not in text
    assert not re.search(r"(password|token|secret)\w*\s*[:=]\s*[\"']?[A-Za-z0-9+/]{12,}", text, re.IGNORECASE)
    assert not re.search(r"AKIA[A-Z0-9]{16}", text)


def test_the_machine_is_told_what_its_own_lab_runs() -> None:
    text, _ = user_data(machines(services=("core",)))
    written = {file["path"]: file["content"] for file in yaml.safe_load(text)["write_files"]}
    config = yaml.safe_load(written["/etc/iotlab/Pulumi.vm.yaml"])["config"]
    assert (config["iotlab:scale"], config["iotlab:services"]) == ("S", ["core"])


def test_a_long_host_name_still_names_a_schedule_within_the_clouds_64_characters() -> None:
    hosts = [f"{'a' * 60}-{number}" for number in (1, 2)]
    names = set(machines(*hosts, services=("core",)).of(SCHEDULE))
    assert len(names) == len(hosts)
    assert all(len(f"{name}-0a1b2c3") <= 64 for name in names)


def test_a_machines_lab_vouches_for_its_name_and_its_address_which_is_there_before_it() -> None:
    recording = machines()
    text, _ = user_data(recording)
    written = {file["path"]: file["content"] for file in yaml.safe_load(text)["write_files"]}
    config = yaml.safe_load(written["/etc/iotlab/Pulumi.vm.yaml"])["config"]
    assert config["iotlab:hosts"] == ["lab", recording.of(LAB)["lab"].inputs["address"]]
    assert Settings.parse(config).hosts == tuple(config["iotlab:hosts"])
    assert "instance" not in recording.of("aws:ec2/eip:Eip")["lab"].inputs
    met = recording.of("aws:ec2/eipAssociation:EipAssociation")["lab"].inputs
    assert (met["allocationId"], met["instanceId"]) == ("lab-lab", "i-lab")
    assert any("eipAssociation" in urn for urn in recording.of(LAB)["lab"].dependencies)


def test_another_machine_type_is_an_input_of_the_lab_so_that_its_doctor_is_asked_again() -> None:
    assert machines(machineType="m6i.xlarge").of(LAB)["lab"].inputs["machineType"] == "m6i.xlarge"


def test_nothing_that_changes_later_replaces_a_machine_that_people_work_on() -> None:
    assert set(machines().of(INSTANCE)["lab"].ignored) == {"ami", "keyName", "userDataBase64"}


def test_ubuntu_is_looked_up_by_its_publishers_account() -> None:
    ((token, asked),) = machines().calls
    assert token == "aws:ec2/getAmi:getAmi"
    assert asked["owners"] == ["099720109477"]
    assert asked["mostRecent"] is True


def test_each_machine_of_an_expired_stack_is_stopped_by_a_schedule_that_may_stop_these_machines_and_nothing_else() -> None:
    recording = machines(*CLASS[:2], services=("core",))
    stopped, schedules = [], recording.of(SCHEDULE)
    assert set(schedules) == {f"expiry-{host}" for host in CLASS[:2]}
    for host in CLASS[:2]:
        schedule = schedules[f"expiry-{host}"].inputs
        assert schedule["startDate"] == "2099-01-31T00:00:00Z"
        assert schedule["scheduleExpression"].startswith("rate(")
        assert schedule["target"]["arn"].endswith(":aws-sdk:ec2:stopInstances")
        assert json.loads(schedule["target"]["input"]) == {"InstanceIds": [f"i-{host}"]}  # one that is gone hinders no other
        stopped.append(f"i-{host}")
    (statement,) = json.loads(recording.of(ROLE_POLICY)["expiry"].inputs["policy"])["Statement"]
    assert statement["Action"] == "ec2:StopInstances"
    assert [arn.rpartition(":")[2] for arn in statement["Resource"]] == stopped


@pytest.mark.parametrize("expires", ["2020-01-01", "2026-01-01"])
def test_a_day_that_has_come_is_refused(expires: str) -> None:
    with pytest.raises(SettingsError, match=f"expires: {expires} has come"):
        machines(expires=expires)


@pytest.mark.parametrize("key", ["ownerCidr", "owner", "expires", "sshKeys", "bundle"])
def test_what_only_a_person_knows_has_to_be_filled_in(key: str) -> None:
    with pytest.raises(SettingsError, match=f"^fill in under iotlab:cloud: {key}: "):
        machines(**dict[str, Any]({key: [] if key == "sshKeys" else ""}))


def test_a_class_is_a_longer_list_of_the_same_machines() -> None:
    recording = machines(*CLASS, services=("core",))
    instances = recording.of(INSTANCE)
    assert set(instances) == set(CLASS) == set(recording.of("aws:ec2/eip:Eip"))
    assert len({json.dumps(one.inputs["vpcSecurityGroupIds"]) for one in instances.values()}) == 1
    assert len(recording.of("aws:ec2/vpc:Vpc")) == len(recording.of(BUCKET)) == 1
    text, _ = user_data(recording, CLASS[3])
    assert CLASS[3] in text
    assert CLASS[4] not in text


def test_logical_names_do_not_hold_the_stacks_name() -> None:
    assert not [asked.name for asked in machines().asked if asked.type != "pulumi:pulumi:Stack" and "test" in asked.name]


@pytest.mark.parametrize(("scale", "size"), [(name, scale.machine_type) for name, scale in SCALES.items()])
def test_the_scale_chooses_the_machine_unless_the_stack_does(scale: str, size: str) -> None:
    config = {"images": {}, "kubeconfig": "", "services": ["core"], "scale": scale}
    chosen = run_program(config | {"cloud": CLOUD | {"diskGb": 100}}).of(INSTANCE)["lab"].inputs
    assert chosen["instanceType"] == size
    small = run_program(config | {"cloud": CLOUD | {"diskGb": 100, "machineType": "t3.xlarge"}}).of(INSTANCE)["lab"].inputs
    assert small["instanceType"] == "t3.xlarge"
    assert small["creditSpecification"] == {"cpuCredits": "standard"}


def test_a_stack_above_its_monthly_limit_is_refused_with_the_price() -> None:
    machines(monthlyLimit=95)
    with pytest.raises(SettingsError, match=r"costs 91\.44 USD a month, iotlab:cloud\.monthlyLimit is 80: take fewer"):
        machines(monthlyLimit=80)
    with pytest.raises(SettingsError, match=r"has no prices of eu-west-3 \(it has eu-central-1\)"):
        machines(monthlyLimit=80, region="eu-west-3")


LAB, HOST_KEY, SSH_KEY = "iotlab:index:Lab", "iotlab:index:HostKey", "iotlab:index:SshKey"
SECRET_MARK = "4dabf18193072939515e22adb298388d"


def test_every_machine_is_followed_to_its_lab_by_the_stacks_own_key() -> None:
    recording = machines(*CLASS)
    assert set(recording.of(LAB)) == set(recording.of(HOST_KEY)) == set(CLASS)
    (gate,) = recording.of(SSH_KEY)
    text, _ = user_data(recording, CLASS[0])
    keys = next(file for file in yaml.safe_load(text)["write_files"] if file["path"] == "/etc/iotlab/authorized_keys")
    assert keys["content"].splitlines() == [KEY, f"ssh-ed25519 {68 * 'A'} iotlab-{gate}"]


def test_a_lab_is_told_what_its_machine_was_told_and_waits_as_long_as_the_stack_says() -> None:
    recording = machines(reachableWithinMin=5, readyWithinMin=90)
    asked = recording.of(LAB)["lab"].inputs
    assert asked["userData"] == recording.of(INSTANCE)["lab"].inputs["userDataBase64"]
    assert (asked["reachableMin"], asked["stagesMin"], asked["port"]) == (5, 90, 22)
    assert set(asked["openPorts"]) == {int(rule.inputs["fromPort"]) for rule in recording.of(INGRESS).values()}
    assert SECRET_MARK in asked["privateKey"]


def test_a_machine_is_entered_when_it_can_read_its_bundle() -> None:
    recording = machines()
    assert any("rolePolicy" in urn for urn in recording.of(LAB)["lab"].dependencies)


def test_a_machine_starts_when_its_subnet_has_the_way_out() -> None:
    recording = machines()
    associated = recording.of("aws:ec2/routeTableAssociation:RouteTableAssociation")["network"]
    route = recording.of("aws:ec2/route:Route")["network"]
    assert {associated.urn, route.urn} <= set(recording.of(INSTANCE)["lab"].dependencies)


def test_a_host_key_that_a_person_knows_stands_for_its_machine_alone() -> None:
    recording = machines("lab", "lab-2", hostKeys={"lab-2": KEY})
    assert {name: asked.inputs["known"] for name, asked in recording.of(HOST_KEY).items()} == {"lab": "", "lab-2": KEY}
    with pytest.raises(SettingsError, match="hostKeys names lab-3: machines are lab"):
        machines(hostKeys={"lab-3": KEY})
