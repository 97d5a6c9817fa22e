"""A person's way with a stack that makes machines: `./lab` as a process, Pulumi's real engine, AWS emulated."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3

from tests.support.cloud_lab import STACK, CloudLab
from tests.support.lab import ROOT

TOMORROW = datetime.now(UTC).date() + timedelta(days=1)
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
MANY_KEYS = [
    f"ssh-rsa {base64.b64encode(random.Random(number).randbytes(400)).decode()} many@example.org" for number in range(40)
]
LOGGED_OUT = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


# before anything is made


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"owner": "", "sshKeys": []}, "fill in under iotlab:cloud: owner: "),
        ({"monthlyLimit": 5}, "iotlab:cloud.monthlyLimit is 5: take fewer iotlab:machines"),
        ({"expires": YESTERDAY}, f"iotlab:cloud.expires: {YESTERDAY} has come"),
        ({"bundle": "nowhere.tar.zst"}, "nowhere.tar.zst cannot be read"),
        ({"sshKeys": MANY_KEYS}, "the user data has"),
        ({"kubernetes": "embedded", "knative": True}, "knative is an add-on of microk8s"),
        ({"bundle": 64 * "a"}, "names a bundle by its SHA-256, and the store of this stack has none like it"),
    ],
)
def test_what_may_not_be_made_is_refused_before_anything(filled: CloudLab, keys: dict[str, object], said: str) -> None:
    before, changes = dict(filled.cloud), len(filled.account.changes)
    filled.configure(**keys)
    try:
        assert said in filled.fails(2, "up")
    finally:
        filled.cloud = before
        filled.configure()
    assert len(filled.account.changes) == changes


@pytest.mark.parametrize("verb", ["up", "down", "bundle address"])
def test_without_credentials_a_sentence_says_how_to_log_in(filled: CloudLab, verb: str) -> None:
    said = filled.fails(2, verb, env=LOGGED_OUT)
    assert "there are no AWS credentials here" in said
    assert "aws sso login" in said


def test_without_the_published_plugin_a_sentence_says_where_it_comes_from(filled: CloudLab) -> None:
    said = filled.fails(2, "up", env={"PATH": os.environ["PATH"]})
    assert "Pulumi's AWS plugin" in said
    assert "IOTLAB_SEALED=1 forbids" in said


def test_verbs_that_ask_machines_say_that_there_is_none_yet(filled: CloudLab) -> None:
    assert f"has no machine yet; make it with ./lab up -s {STACK}" in filled.fails(2, "access")
    assert "lab not made" in filled.fails(1, "status")
    assert "has nothing to end" in filled.ok("down")


# up


def test_up_says_first_what_it_makes_and_costs_and_who_pays(filled: CloudLab) -> None:
    said = filled.ok("up")
    first, made = said.split("… Machines of the stack", 1)
    assert "1 machine (lab), m6i.large with 2 vCPUs and 8 GB, in eu-central-1" in first
    assert "USD an hour" in first
    assert f"until {filled.cloud['expires']}" in first
    assert "lab.tar.zst goes up into the store first" in first
    assert "AWS account 123456789012 pays" in first
    assert "lab: AWS has started the machine" in made
    assert f"ssh ubuntu@{filled.instance()['PublicIpAddress']}" in made
    assert f"./lab down -s {STACK}" in made


def test_a_second_up_changes_nothing(up: CloudLab) -> None:
    up.account.changes.clear()
    assert "nothing changed" in up.ok("up")
    assert up.account.changes == []


def test_the_state_says_it_without_credentials_too(up: CloudLab) -> None:
    said = " ".join(up.run("status", env=LOGGED_OUT).stdout.split())
    assert f"lab unknown at {up.instance()['PublicIpAddress']}" in said
    assert "whether it runs could not be asked: there are no AWS credentials here" in said


def test_env_gives_a_shell_in_which_pulumi_sees_the_same_stack(up: CloudLab) -> None:
    script = f'eval "$(./lab env -s {STACK})" && pulumi preview -s {STACK} --non-interactive --expect-no-changes'
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=up.env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# the bundle's address


def test_a_bundles_address_opens_it_and_is_all_on_standard_output(up: CloudLab, bundle: Path) -> None:
    done = up.run("bundle address", "--hours", "2")
    (line,) = done.stdout.splitlines()
    url, _, digest = line.partition("#sha256=")
    assert digest == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert "X-Amz-Expires=7200" in url
    assert urllib3.request("GET", url, timeout=10).data == bundle.read_bytes()
    assert "A secret: until" in done.stderr
    assert url not in done.stderr
