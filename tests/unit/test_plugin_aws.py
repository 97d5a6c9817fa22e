"""The stand-in for pulumi-aws: what it refuses, and how it compares what is wanted with what there is."""

from __future__ import annotations

import pytest
from pulumi.runtime.proto import provider_pb2 as messages

from infra.lab.errors import UserError
from infra.lab.paths import ROOT
from infra.lab.plugins.aws import compared, table
from infra.lab.plugins.aws.account import ENDPOINT, Account
from infra.lab.plugins.aws.provider import Aws
from infra.lab.plugins.values import UNKNOWN, from_struct, to_struct

RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
INSTANCE = "aws:ec2/instance:Instance"
URN = "urn:pulumi:s::iotlab::{}::lab"


def checked(token: str, inputs: dict[str, object], old: dict[str, object] | None = None) -> messages.CheckResponse:
    request = messages.CheckRequest(
        urn=URN.format(token), news=to_struct(inputs), olds=to_struct(old or {}), randomSeed=b"\x01\x02\x03\x04"
    )
    return Aws("127.0.0.1:1").check(request)


@pytest.mark.parametrize("endpoint", ["", "https://ec2.eu-central-1.amazonaws.com", "http://198.51.100.1:5000"])
def test_a_real_account_is_never_asked(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv(ENDPOINT, endpoint)
    with pytest.raises(UserError, match="only with an AWS emulator on loopback"):
        Account("eu-central-1").ask("ec2", "describe_vpcs")


def test_no_command_of_the_lab_puts_it_on_the_path() -> None:
    sources = [path for path in (ROOT / "infra").rglob("*.py") if "plugins/aws" not in str(path)]
    assert not [path for path in sources if "plugins/aws" in path.read_text()]


def test_a_type_that_the_table_lacks_is_refused_with_where_to_add_it() -> None:
    with pytest.raises(UserError, match=r"has no aws:rds/instance:Instance: add a row to infra/lab/plugins/aws/types"):
        table.type_of(URN.format("aws:rds/instance:Instance"))


def test_an_input_that_the_table_lacks_is_refused_and_not_lost() -> None:
    (failure,) = checked(INSTANCE, {"ami": "ami-1", "hibernation": True}).failures
    assert failure.reason == "the tests' stand-in for pulumi-aws does not know hibernation of Instance."


def test_a_name_is_generated_once() -> None:
    first = from_struct(checked("aws:iam/role:Role", {"assumeRolePolicy": "{}"}).inputs)
    assert first["name"] == "lab-0102030"
    again = from_struct(checked("aws:iam/role:Role", {"assumeRolePolicy": "{}"}, first | {"name": "lab-fffffff"}).inputs)
    assert again["name"] == "lab-fffffff"


def test_every_input_that_forces_a_new_resource_is_an_input() -> None:
    for token, row in table.types().items():
        named = [*row.replace, *row.replace_if, *(path for paths in row.replace_if.values() for path in paths), row.name]
        named += [key for change in row.changes for key in change.of if key != "tagsAll"]
        assert {path.split(".")[0] for path in named if path} <= set(row.inputs), token


def test_an_address_changes_a_rule_in_place_and_another_group_makes_a_new_one() -> None:
    row, old = table.types()[RULE], {"cidrIpv4": "203.0.113.7/32", "securityGroupId": "sg-1"}
    assert compared.replaced(row, old, old | {"cidrIpv4": "203.0.113.8/32"}) == []
    assert compared.replaced(row, old, old | {"securityGroupId": UNKNOWN}) == ["securityGroupId"]


def test_only_the_part_of_a_disk_that_aws_cannot_change_makes_a_new_machine() -> None:
    row, old = table.types()[INSTANCE], {"rootBlockDevice": {"encrypted": True, "volumeSize": 40}}
    assert compared.replaced(row, old, {"rootBlockDevice": {"encrypted": True, "volumeSize": 50}}) == []
    assert compared.replaced(row, old, {"rootBlockDevice": {"encrypted": False, "volumeSize": 40}}) == ["rootBlockDevice"]


def test_user_data_makes_a_new_machine_only_where_the_program_says_so() -> None:
    row = table.types()[INSTANCE]
    assert compared.replaced(row, {"userDataBase64": "a"}, {"userDataBase64": "b"}) == []
    switch = {"userDataReplaceOnChange": True}
    assert compared.replaced(row, {"userDataBase64": "a"} | switch, {"userDataBase64": "b"} | switch) == ["userDataBase64"]


@pytest.mark.parametrize(
    ("wanted", "live"),
    [
        ({"httpTokens": "required"}, {"httpTokens": "required", "httpEndpoint": "enabled"}),
        (["sg-1", "sg-2"], ["sg-2", "sg-1"]),
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}'),
    ],
)
def test_what_aws_fills_in_or_writes_in_another_way_is_no_drift(wanted: object, live: object) -> None:
    assert compared.same(wanted, live)
    assert compared.seen({"x": wanted}, {"x": live}) == {"x": wanted}


def test_drift_shows_only_the_keys_that_the_program_set() -> None:
    wanted, live = {"disk": {"size": 40}, "profile": "p"}, {"disk": {"size": 50, "kind": "gp3"}, "profile": None}
    assert compared.seen(wanted, live) == {"disk": {"size": 50}}


def test_a_preview_does_not_know_what_aws_will_choose() -> None:
    expected = compared.expected(table.types()[INSTANCE], {"ami": "ami-1"})
    assert expected["ami"] == "ami-1"
    assert expected["publicIp"] is UNKNOWN
