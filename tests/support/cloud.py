"""A stack with machines that a person has filled in, for programs that run against mocks."""

from __future__ import annotations

import base64
import gzip
from typing import Any

from tests.support.program import Recording, run_program

KEY = f"ssh-ed25519 {'AAAAC3NzaC1lZDI1NTE5AAAA'}{'B' * 44} ada@example.org"
BUNDLE = "ab" * 32
OWNER_CIDR = "203.0.113.7/32"
CLOUD: dict[str, Any] = {
    "ownerCidr": OWNER_CIDR,
    "owner": "ada@example.org",
    "expires": "2099-01-31",
    "sshKeys": [KEY],
    "bundle": BUNDLE,
}
INSTANCE = "aws:ec2/instance:Instance"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
SCHEDULE = "aws:scheduler/schedule:Schedule"
# of the types that we use, those that AWS has no tags for
UNTAGGABLE = {
    "aws:ec2/eipAssociation:EipAssociation",
    "aws:ec2/route:Route",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    ROLE_POLICY,
    SCHEDULE,  # its group could have some, and would be one more thing
}


def machines(*names: str, services: tuple[str, ...] = ("core", "teaching"), **cloud: object) -> Recording:
    """The program's run for these machines, with these keys of iotlab:cloud otherwise than usual."""
    stack: dict[str, object] = {"cloud": CLOUD | cloud, "services": list(services), "images": {}, "kubeconfig": ""}
    return run_program(stack | ({"machines": list(names)} if names else {}))


def user_data(recording: Recording, name: str = "lab") -> tuple[str, int]:
    """A machine's cloud-init document, and its size as the cloud counts it."""
    packed = base64.b64decode(recording.of(INSTANCE)[name].inputs["userDataBase64"])
    return gzip.decompress(packed).decode(), len(packed)
