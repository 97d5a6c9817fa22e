"""The account itself, asked by boto3: who pays, which machines run, and what is there with a stack's tags."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, TypeVar

import boto3
from botocore import exceptions as failures
from botocore.config import Config

from infra.lab.errors import LabError, UserError

ENDPOINT: Final = "AWS_ENDPOINT_URL"  # boto3's own variable; tests set it
NO_LOGIN: Final = (
    *(failures.NoCredentialsError, failures.PartialCredentialsError, failures.CredentialRetrievalError),
    *(failures.ProfileNotFound, failures.SSOError, failures.UnauthorizedSSOTokenError, failures.TokenRetrievalError),
)
BAD_LOGIN: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "SignatureDoesNotMatch", "AuthFailure", "RequestExpired"}
    | {"UnrecognizedClientException", "InvalidAccessKeyId", "InvalidToken"}
)
HOW_TO_LOG_IN: Final = "aws sso login, or AWS_PROFILE, or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY; then run it again"
STARTS_WITHIN_S: Final = 300
AGAIN_AFTER_S: Final = 5
NO_BUCKET: Final = "NoSuchBucket"
MOST_DELETED: Final = 1000  # objects in one request
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Payer:
    """Whom these credentials belong to."""

    account: str
    arn: str


class Account:
    """One region of the account that the environment's credentials open. Making one asks nothing."""

    def __init__(self, region: str) -> None:
        """`region` is the stack's."""
        self.region = region
        self._clients: dict[str, Any] = {}

    def ask(self, service: str, call: str, **request: object) -> dict[str, Any]:
        """Make one request.

        Raises:
            UserError: there are no credentials, or they are not valid any more.
            LabError: AWS refused or could not be reached.
        """
        return self._told(call, lambda: getattr(self._client(service), call)(**request))

    def all(self, service: str, call: str, key: str, **request: object) -> list[dict[str, Any]]:
        """The same for a question whose answer has pages; all of them, of `key`."""

        def pages() -> list[dict[str, Any]]:
            client: Any = self._client(service)
            found = client.get_paginator(call).paginate(**request)
            return [item for page in found for item in page.get(key) or ()]

        return self._told(call, pages)

    def _client(self, service: str) -> object:
        """boto3's client; what it can do is made at run time."""
        if service not in self._clients:
            # a signed address has to name the bucket's own region, which boto3 does for the virtual style alone
            style = "path" if os.environ.get(ENDPOINT) else "virtual"
            tried = {"mode": "standard", "total_max_attempts": 4}
            config = Config(signature_version="v4", retries=tried, connect_timeout=10, read_timeout=60)
            if service == "s3":
                config = config.merge(Config(signature_version="s3v4", s3={"addressing_style": style}))
            self._clients[service] = boto3.session.Session(region_name=self.region).client(service, config=config)
        return self._clients[service]

    @staticmethod
    def _told(call: str, asking: Callable[[], Answer]) -> Answer:
        try:
            return asking()
        except NO_LOGIN as failed:
            raise UserError(f"there are no AWS credentials here ({str(failed).rstrip('.')}): {HOW_TO_LOG_IN}.") from failed
        except failures.ClientError as failed:
            details = failed.response["Error"]
            code, said = details.get("Code", "?"), str(details.get("Message", "no reason given")).rstrip(".")
            if code in BAD_LOGIN:
                raise UserError(f"AWS does not take these credentials ({code}: {said}): {HOW_TO_LOG_IN}.") from failed
            raise RefusedError(f"AWS refused {call}: {said} ({code}).", code) from failed
        except failures.BotoCoreError as failed:
            raise LabError(f"AWS could not be asked for {call}: {failed}") from failed

    # who

    def payer(self, account: str = "", region: str = "") -> Payer:
        """Whose account it is; `account` and `region` are those in which the stack has made something.

        Raises:
            UserError: there are no credentials, or another account's, or the stack's file names another region: there the
                machines would seem gone and be made again, while the first ones go on costing.
        """
        if region and region != self.region:
            raise UserError(
                f"this stack is in the region {region}, its file says {self.region}: write iotlab:cloud.region: {region} again, "
                "or end the stack there first (./lab down --purge); nothing was done."
            )
        found = self._payer
        if account and account != found.account:
            raise UserError(
                f"this stack is in the AWS account {account}, these credentials ({found.arn}) are for {found.account}: take "
                "those for its own account (AWS_PROFILE); nothing was done."
            )
        return found

    @cached_property
    def _payer(self) -> Payer:
        said = self.ask("sts", "get_caller_identity")
        return Payer(str(said["Account"]), str(said["Arn"]))

    # machines

    def machines(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The instances with these ids; those that AWS has forgotten are left out."""
        if not ids:
            return {}
        wanted = [{"Name": "instance-id", "Values": list(ids)}]
        found = self.all("ec2", "describe_instances", "Reservations", Filters=wanted)
        return {str(one["InstanceId"]): one for reservation in found for one in reservation["Instances"]}

    def start(self, ids: Sequence[str]) -> None:
        """Start machines that are stopped, or about to be, and wait until they run.

        Raises:
            LabError: AWS refused, or they didn't start in time.
        """
        self._wait(ids, {"stopped"})
        self.ask("ec2", "start_instances", InstanceIds=list(ids))
        self._wait(ids, {"running"})

    def _wait(self, ids: Sequence[str], states: Iterable[str]) -> None:
        until = time.monotonic() + STARTS_WITHIN_S
        while late := [one for one, machine in self.machines(ids).items() if machine["State"]["Name"] not in states]:
            if time.monotonic() > until:
                raise LabError(f"{', '.join(late)} did not get {'/'.join(states)} within {STARTS_WITHIN_S} s; run it again.")
            time.sleep(AGAIN_AFTER_S)

    # the store

    def versions(self, bucket: str) -> list[dict[str, Any]]:
        """Every version of every object of a bucket, deleted ones' marks as well; none of a bucket that is gone."""
        kinds = ("Versions", "DeleteMarkers")
        try:
            return [one for kind in kinds for one in self.all("s3", "list_object_versions", kind, Bucket=bucket)]
        except RefusedError as refused:
            if refused.code == NO_BUCKET:
                return []
            raise

    def has_bucket(self, bucket: str) -> bool:
        """Whether it is still there; AWS's list of what has tags names it for hours after its end.

        Raises:
            LabError: AWS refused to say.
        """
        try:
            self.ask("s3", "head_bucket", Bucket=bucket)
        except RefusedError as refused:
            if refused.code in {"404", NO_BUCKET}:
                return False
            raise
        return True

    def has(self, bucket: str, key: str) -> int | None:
        """The size of an object; None where there is none.

        Raises:
            LabError: AWS refused to say.
        """
        try:
            return int(self.ask("s3", "head_object", Bucket=bucket, Key=key)["ContentLength"])
        except RefusedError as refused:
            if refused.code in {"404", "NoSuchKey", NO_BUCKET}:
                return None
            raise

    def empty(self, bucket: str) -> None:
        """Delete every version of every object; a bucket that is gone is empty, too."""
        found = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in self.versions(bucket)]
        for first in range(0, len(found), MOST_DELETED):
            some = {"Objects": found[first : first + MOST_DELETED], "Quiet": True}
            self.ask("s3", "delete_objects", Bucket=bucket, Delete=some)

    def signed(self, bucket: str, key: str, seconds: int) -> str:
        """An https address that opens this object to whoever has it, for so long."""
        place = {"Bucket": bucket, "Key": key}

        client: Any = self._client("s3")
        sign = partial(client.generate_presigned_url, "get_object", Params=place, ExpiresIn=seconds)
        return str(self._told("an address", sign))

    @property
    def lent(self) -> bool:
        """Whether the credentials are lent for hours: what they sign ends with them."""
        found = boto3.session.Session(region_name=self.region).get_credentials()
        return found is not None and bool(found.token)


class RefusedError(LabError):
    """AWS said no."""

    def __init__(self, message: str, code: str) -> None:
        """`code` is AWS's."""
        super().__init__(message)
        self.code = code
