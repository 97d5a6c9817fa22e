"""`iotlab:index:HostKey`: the public key by which a machine is known, so that nobody can pose as it at its address.

A machine makes its key at its first boot and cloud-init writes it on the console, which AWS hands out to who may ask about the
instance: the way is as safe as the account. Asked once; the state keeps it, for a console forgets.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, ClassVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.lab.errors import LabError
from infra.lab.plugins.iotlab.kind import Kind, Report
from infra.lab.plugins.values import UNKNOWN, Properties

BLOCK = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)
LINE = re.compile(r"(ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) (AAAA[A-Za-z0-9+/]{40,}=*)")
BEST = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
SHORTEST_S, LONGEST_S, MORE = 0.2, 10.0, 1.5  # between two looks; AWS takes minutes
QUICKLY = Config(retries={"total_max_attempts": 3}, connect_timeout=10, read_timeout=30)


def on_console(text: str) -> str:
    """The best host key of the last block of them; empty if there is none."""
    blocks = BLOCK.findall(text)
    found = dict(LINE.findall(blocks[-1])) if blocks else {}
    return next((f"{kind} {found[kind]}" for kind in BEST if kind in found), "")


class HostKey(Kind):
    """`key` is the machine's, as `known` says or as its console showed it."""

    urn_type: ClassVar[str] = "iotlab:index:HostKey"
    defaults: ClassVar[Properties] = {"instance": None, "region": None, "known": "", "withinMin": 10}
    idle: ClassVar[frozenset[str]] = frozenset({"region", "withinMin"})

    def refused(self, inputs: Properties) -> dict[str, str]:
        """A key that is none."""
        known = inputs["known"]
        if known in (UNKNOWN, "") or (isinstance(known, str) and LINE.match(known)):
            return {}
        return {"known": f"known must be a host key like ssh-ed25519 AAAA…, not {known!r}."}

    def made(self, inputs: Properties, report: Report) -> Properties:
        """The key that a person knows, or the one on the console."""
        if inputs["known"]:
            return {"key": " ".join(inputs["known"].split()[:2])}
        ec2 = boto3.client("ec2", region_name=inputs["region"], config=QUICKLY)
        began, pause_s = time.monotonic(), SHORTEST_S
        while not (key := on_console(_console(ec2.get_console_output, inputs["instance"]))):
            waited_s = time.monotonic() - began
            if waited_s > inputs["withinMin"] * 60:
                raise LabError(
                    f"the console of {inputs['instance']} has shown no host key within {inputs['withinMin']:g} min, by which it "
                    "could be told from others: see on AWS's page (Get system log) whether it boots; ./lab up asks again, and a "
                    "key that you know otherwise stands under iotlab:cloud.hostKeys."
                )
            report(f"lab: the console of {inputs['instance']} shows no host key yet, {waited_s:.0f} s")
            time.sleep(pause_s)
            pause_s = min(pause_s * MORE, LONGEST_S)
        return {"key": key}

    def unknown(self) -> Properties:
        """A key that a preview doesn't know yet."""
        return {"key": UNKNOWN}


def _console(ask: Callable[..., dict[str, Any]], instance: str) -> str:
    """What the console shows by now; the latest where the machine's type can say it."""
    try:
        try:
            answer = ask(InstanceId=instance, Latest=True)
        except ClientError as refused:
            if refused.response["Error"]["Code"] != "UnsupportedOperation":
                raise
            answer = ask(InstanceId=instance)
    except (ClientError, BotoCoreError) as failed:
        raise LabError(f"AWS could not be asked for the console of {instance}: {failed}") from failed
    return str(answer.get("Output") or "")
