"""An `up` that a person interrupts, or that somebody kills: the next one goes on."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.cloud_lab import STACK, CloudLab
from tests.support.processes import wait_until


def _unknown(filled: CloudLab) -> set[str]:
    """What AWS has with the stack's tag and the stack's state doesn't know: it would cost, and be in the next up's way."""
    (state,) = (filled.state / "pulumi/backend/.pulumi/stacks").rglob(f"{STACK}.json")
    known = state.read_text()
    tags = filled.account.client("ec2").describe_tags(Filters=[{"Name": "tag:stack", "Values": [STACK]}])["Tags"]
    assert tags
    return {tag["ResourceId"] for tag in tags if tag["ResourceId"] not in known}


@pytest.mark.parametrize(("at", "how"), [("CreateRole", signal.SIGINT), ("AllocateAddress", signal.SIGKILL)])
def test_an_up_that_was_interrupted_or_killed_is_gone_on_with_by_the_next(filled: CloudLab, at: str, how: signal.Signals) -> None:
    filled.account.hold(at)
    running = filled.started("up")
    try:
        wait_until(at, filled.account.holding.is_set, 90)
        os.killpg(running.pid, how)
        filled.account.release()
        _, said = running.communicate(timeout=90)
    finally:
        running.kill()
    if how is signal.SIGINT:
        assert running.returncode == 130, said
        assert "What is made already goes on costing" in " ".join(said.split())
        assert "stopped; the next ./lab up goes on from here" in said
        assert "Traceback" not in said
        assert "what is being made is finished first" in said
        assert _unknown(filled) == set()
        return
    said_next = filled.ok("up")
    addresses = filled.account.client("ec2").describe_addresses()["Addresses"]
    (ours,) = (one for one in addresses if one.get("InstanceId") == filled.instance()["InstanceId"])
    (lost,) = (one for one in addresses if one != ours)  # AWS made it and the engine was killed before it heard so
    assert f"aws ec2 release-address --allocation-id {lost['AllocationId']}" in said_next
    assert "3.65 USD a month" in said_next
    assert filled.instance()["State"]["Name"] == "running"
    networks = filled.account.client("ec2").describe_subnets(Filters=[{"Name": "tag:stack", "Values": [STACK]}])["Subnets"]
    assert len(networks) == 1
