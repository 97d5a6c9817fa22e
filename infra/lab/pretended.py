"""What a cloud would answer, for programs that run with nothing behind them: `lab plan`, and tests with mocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BUCKET = "aws:s3/bucket:Bucket"
IMAGE = "aws:ec2/getAmi:getAmi"
IDS = {  # type -> how its ids begin
    "aws:ec2/instance:Instance": "i",
    "aws:ec2/vpc:Vpc": "vpc",
    "aws:ec2/subnet:Subnet": "subnet",
    "aws:ec2/securityGroup:SecurityGroup": "sg",
}
ANSWERS: dict[str, dict[str, Any]] = {IMAGE: {"id": "ami-newest", "architecture": "x86_64"}}


def made(kind: str, name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Id and outputs of a resource of the cloud, as if it were made."""
    ident = f"{IDS.get(kind, name)}-{name}"
    more: dict[str, Any] = {"arn": f"arn:aws:::{ident}"} if kind.startswith("aws:") else {}
    if kind == BUCKET:
        more["bucket"] = f"{name}-0a1b2c3"  # the engine puts seven random digits behind the name
    if kind == "aws:ec2/eip:Eip":
        more["publicIp"] = "198.51.100.1"
    if kind in {"aws:iam/role:Role", "aws:iam/instanceProfile:InstanceProfile"}:
        more["name"] = f"{name}-0a1b2c3"
    if kind == "iotlab:index:SshKey":
        more |= {"public": f"ssh-ed25519 {68 * 'A'} iotlab-gate", "private": f"generated-for-{name}"}
    if kind == "iotlab:index:HostKey":
        more["key"] = f"ssh-ed25519 {68 * 'A'}"
    if kind == "iotlab:index:Lab":
        more |= {"doctor": {"ok": True, "red": {}}, "addresses": {}, "logins": {}, "kubeconfig": ""}
    if kind == "aws:ec2/keyPair:KeyPair":
        more["keyName"] = f"{name}-0a1b2c3"
    return ident, more | dict(inputs)
