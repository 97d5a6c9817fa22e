"""The store of a stack's bundle, from which its machines take everything, and the right to read exactly that.

A bundle lies under its hash, so a name never means two things. The bucket is private, encrypted and versioned, speaks TLS
only, and stays with its bundles when a stack is ended (it is protected). The stack's state forgets the bundles then, so the next
`up` uploads the file again; who names the SHA-256 instead takes the one that lies there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pulumi
import pulumi_aws as aws

from infra.cloud.tags import Tags
from infra.patterns import SHA256
from infra.settings import SettingsError

CHECKOUT = Path(__file__).resolve().parents[2]
CHUNK = 2**20
OLD_VERSIONS_DAYS = 30
EC2 = "ec2.amazonaws.com"


@cache
def _sha256(file: Path, _size: int, _changed_ns: int) -> str:
    """The file's hash; taken once as long as the file is the same."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """The bundle that a stack names: by its hash, and where it is to be uploaded from; None if it lies in the store already."""

    sha256: str
    file: Path | None

    @classmethod
    def of(cls, named: str) -> StoredBundle:
        """Read `iotlab:cloud.bundle`; of a file the hash is taken (1.2 GB in 4 s beside other work, 2026-11).

        Raises:
            SettingsError: there is no such file.
        """
        if not SHA256.fault(named):
            return cls(named, None)
        file = CHECKOUT / Path(named).expanduser()  # the engine runs the program in another folder than the person's
        try:
            seen = file.stat()
            return cls(_sha256(file, seen.st_size, seen.st_mtime_ns), file)
        except OSError as failed:
            raise SettingsError(
                f"iotlab:cloud.bundle: {named} cannot be read ({failed.strerror}); make it by ./lab bundle export {named}"
            ) from failed

    @property
    def key(self) -> str:
        """Its name in the store."""
        return f"bundles/{self.sha256}.tar.zst"


def trusts(service: str) -> str:
    """The policy by which a service of AWS may take a role."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allows(action: str, *resources: str) -> str:
    """A policy that allows one action on these resources."""
    statement = {"Effect": "Allow", "Action": action, "Resource": list(resources)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def by_tls_only(bucket: str) -> str:
    """The bucket's own policy: whatever comes without TLS is refused."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass(frozen=True, slots=True)
class BundleStoreArgs:
    """What can differ: the bundle and the tags."""

    bundle: StoredBundle
    tags: Tags


class BundleStore(pulumi.ComponentResource):
    """The bucket with the bundle, and the profile by which a machine reads it."""

    def __init__(self, name: str, args: BundleStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """`name` names the bucket and the role."""
        super().__init__("iotlab:cloud:BundleStore", name, None, opts)
        tags, inside = args.tags.named(name), pulumi.ResourceOptions(parent=self)
        bucket = aws.s3.Bucket(name, tags=tags, opts=pulumi.ResourceOptions(parent=self, protect=True))
        self._closed(name, bucket)
        key = args.bundle.key
        if args.bundle.file:
            # an older one is still what some machine runs; whatever stays so is forgotten by the state
            stays = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
            source = pulumi.FileAsset(str(args.bundle.file))
            stored = aws.s3.BucketObjectv2(name, bucket=bucket.bucket, key=key, source=source, tags=tags, opts=stays)
            self.stored: list[pulumi.Resource] = [stored]
        else:
            self.stored = []
        readable = bucket.bucket.apply(lambda known: allows("s3:GetObject", f"arn:aws:s3:::{known}/{key}"))
        role = aws.iam.Role(name, assume_role_policy=trusts(EC2), tags=tags, opts=inside)
        # by a name of its own: one that a killed engine made and forgot is overwritten instead of keeping the role for ever
        right = aws.iam.RolePolicy(name, name=name, role=role.name, policy=readable, opts=inside)
        self.profile = aws.iam.InstanceProfile(name, role=role.name, tags=tags, opts=inside).name
        self.url = bucket.bucket.apply(lambda known: f"s3://{known}/{key}")
        self.stored.append(right)
        self.register_outputs({})

    def _closed(self, name: str, bucket: aws.s3.Bucket) -> None:
        """Private, encrypted, versioned, by TLS; what was overwritten goes after a month, so that it doesn't cost for ever.

        Protected as the bucket is: kept without these it would be open.
        """
        kept = pulumi.ResourceOptions(parent=self, protect=True)
        blocks = dict.fromkeys(
            ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"), True
        )
        closed = aws.s3.BucketPublicAccessBlock(name, bucket=bucket.bucket, **blocks, opts=kept)
        after = pulumi.ResourceOptions(parent=self, protect=True, depends_on=[closed])  # AWS refuses both at the same moment
        aws.s3.BucketPolicy(name, bucket=bucket.bucket, policy=bucket.bucket.apply(by_tls_only), opts=after)
        aws.s3.BucketVersioning(name, bucket=bucket.bucket, versioning_configuration={"status": "Enabled"}, opts=kept)
        by_default = {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
        aws.s3.BucketServerSideEncryptionConfiguration(name, bucket=bucket.bucket, rules=[by_default], opts=kept)
        old = {
            "id": "old-versions",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "noncurrent_version_expiration": {"noncurrent_days": OLD_VERSIONS_DAYS},
            "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
        }
        aws.s3.BucketLifecycleConfiguration(name, bucket=bucket.bucket, rules=[old], opts=kept)
