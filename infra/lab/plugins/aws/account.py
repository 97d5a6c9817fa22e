"""The account behind the stand-in: moto's server, nothing else, asked by boto3."""

from __future__ import annotations

import ipaddress
import os
import threading
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from infra.lab.errors import LabError, UserError
from infra.lab.plugins.aws import table
from infra.lab.plugins.aws.functions import filled
from infra.lab.plugins.values import Json, Properties

ENDPOINT: Final = "AWS_ENDPOINT_URL"  # boto3's own variable
_QUICKLY: Final = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=30)


class RefusedError(LabError):
    """AWS said no."""

    def __init__(self, message: str, code: str) -> None:
        """`code` is AWS's."""
        super().__init__(message)
        self.code = code

    @property
    def gone(self) -> bool:
        """Whether it said so because the thing isn't there."""
        return "NotFound" in self.code or self.code.startswith("NoSuch") or self.code == "404"


def _endpoint() -> str:
    """Where AWS is.

    Raises:
        UserError: not on this machine; a stand-in has no business with a real account.
    """
    endpoint = os.environ.get(ENDPOINT, "")
    host = urlsplit(endpoint).hostname or ""
    try:
        if ipaddress.ip_address(host).is_loopback:
            return endpoint
    except ValueError:
        pass
    raise UserError(
        f"The tests' stand-in for pulumi-aws speaks only with an AWS emulator on loopback, and {ENDPOINT} is"
        f" {endpoint or 'not set'!r}: a real account needs the published plugin."
    )


class Account:
    """One region of the account."""

    def __init__(self, region: str) -> None:
        """Nothing is asked yet."""
        self.region = region
        self._session = boto3.session.Session(region_name=region)
        self._lock = threading.Lock()  # boto3 makes its clients in one thread only; they serve all
        self._clients: dict[str, object] = {}
        self._account = ""

    def ask(self, service: str, call: str, request: Properties | None = None) -> Properties:
        """Make one request; the answer comes without boto3's notes about the way it took.

        Raises:
            RefusedError: AWS said no.
            LabError: it did not answer, or the request is none of AWS's.
        """
        try:
            answer: Properties = getattr(self._client(service), call)(**(request or {}))
        except ClientError as error:
            details = error.response["Error"]
            raise RefusedError(f"AWS refused {call}: {details.get('Message')} ({details['Code']})", details["Code"]) from error
        except (BotoCoreError, ResponseParserError) as error:
            raise LabError(f"AWS could not be asked for {call}: {error}") from error
        answer.pop("ResponseMetadata", None)
        return answer

    def _client(self, service: str) -> object:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(service, endpoint_url=_endpoint(), config=_QUICKLY)
            return self._clients[service]

    @property
    def account(self) -> str:
        """The account's number."""
        if not self._account:
            self._account = str(self.ask("sts", "get_caller_identity")["Account"])
        return self._account

    def run(self, service: str, steps: Sequence[table.Call], document: Properties) -> Properties:
        """Make the steps' requests; all their answers in one map.

        Raises:
            LabError: one of them failed; those before it have been made.
        """
        answers: Properties = {}
        for step in steps:
            context = {"region": self.region, "account": self.account} | document | {"answer": answers}
            if step.when is not None and not table.value_of(step.when, context):
                continue
            items: list[Json] = [None] if step.each is None else table.value_of(step.each, context) or []
            for item in items:
                request = filled(table.value_of(step.send, context | {"item": item})) or {}
                try:
                    answers |= self.ask(step.service or service, step.call, request)
                except RefusedError as error:
                    if error.code not in step.ignore:
                        raise
        return answers
