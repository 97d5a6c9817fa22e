"""The lab command on stacks that make machines, without machines: what is read, what is shown, what is refused."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import typer
from botocore import exceptions as failures
from pulumi import automation
from typer.testing import CliRunner

from infra.cloud.bundle_store import StoredBundle
from infra.lab import packing
from infra.lab.cli import app
from infra.lab.clouds import plugin, up, verbs
from infra.lab.clouds.access import forward_hint
from infra.lab.clouds.account import Account, RefusedError
from infra.lab.clouds.bills import Bill, Bills
from infra.lab.clouds.made import INSTANCE, LAB, OBJECT, made_of
from infra.lab.clouds.progress import Progress
from infra.lab.engine_events import Watcher
from infra.lab.errors import LabError, UserError
from infra.lab.lab import Lab
from infra.lab.paths import ROOT
from infra.lab.plugins.values import HIDDEN, SIGNATURE
from infra.lab.render import asked as asked_of
from tests.support.cloud import CLOUD

URN = "urn:pulumi:s::iotlab::iotlab:cloud:Machines$iotlab:cloud:Machine"
HOST_KEY = "ssh-ed25519 AAAAhost"
HOP = {"name": "mqtt", "from": "canary", "to": "mosquitto", "latency_ms": 1.5, "ok": True, "why": None}
GREEN = {"ok": True, "hops": [HOP], "services": [], "left_out": {}}


def resource(kind: str, name: str, ident: str, **outputs: Any) -> dict[str, Any]:
    return {"urn": f"{URN}${kind}::{name}", "type": kind, "id": ident, "outputs": outputs}


def secret(value: object) -> dict[str, str]:
    return {SIGNATURE: HIDDEN, "plaintext": json.dumps(value)}


MADE = (
    resource(INSTANCE, "lab", "i-1"),
    resource("aws:ec2/eip:Eip", "lab", "eipalloc-1", publicIp="198.51.100.7"),
    resource("aws:s3/bucket:Bucket", "bundle", "bundle-1") | {"protect": True},
    resource("iotlab:index:SshKey", "gate", "k", private=secret("PEM")),
)


# what the state knows


def test_a_machine_has_a_door_once_its_host_key_is_known_also_before_its_lab_is_there() -> None:
    early = made_of({"resources": list(MADE)})
    assert (early.machines["lab"].instance, early.machines["lab"].address) == ("i-1", "198.51.100.7")
    assert early.machines["lab"].door is None
    door = made_of({"resources": [*MADE, resource("iotlab:index:HostKey", "lab", "h", key=HOST_KEY)]}).machines["lab"].door
    assert door is not None
    assert (door.address, door.host_key, door.private_key) == ("198.51.100.7", HOST_KEY, "PEM")


def test_what_is_only_still_to_be_deleted_is_not_the_machine() -> None:
    old = resource(INSTANCE, "lab", "i-0") | {"delete": True}
    assert made_of({"resources": [*MADE, old]}).ids == ["i-1"]


def test_protected_objects_are_told_apart_and_an_empty_state_has_nothing() -> None:
    made = made_of({"resources": list(MADE)})
    assert (made.objects, made.protected, made.bucket, made.allocations) == (3, 1, "bundle-1", frozenset({"eipalloc-1"}))
    assert made_of({}).machines == {}


# progress


def event(name: str, told: dict[str, Any]) -> automation.EngineEvent:
    return automation.EngineEvent.from_json({"sequence": 1, "timestamp": 1, name: told})


def test_what_a_plugin_says_meanwhile_is_told_with_its_resource_but_not_of_a_preview() -> None:
    told = Mock()
    watcher = Watcher(Mock(), told)
    said = event(
        "diagnosticEvent",
        {"urn": f"{URN}${LAB}::lab", "message": "stage 2 of 7\n", "color": "", "severity": "info", "ephemeral": True},
    )
    watcher.planning = True
    watcher.see(said)
    told.assert_not_called()
    watcher.planning = False
    watcher.see(said)
    told.assert_called_once_with(LAB, "lab", "stage 2 of 7")


def test_a_failure_is_told_without_the_engines_own_heading() -> None:
    watcher = Watcher(Mock())
    message = "1 error occurred:\n\t* the stage vpn failed\n\n"
    told = {"urn": f"{URN}${LAB}::lab", "message": message, "color": "", "severity": "error", "ephemeral": False}
    watcher.see(event("diagnosticEvent", told))
    assert watcher.why() == "lab: the stage vpn failed"


def test_a_line_of_progress_is_printed_once_however_long_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    report = Mock()
    progress = Progress(report)
    progress.told(OBJECT, "bundle", "create")
    for seconds in (10, 20, 30):
        progress.told(LAB, "lab", f"lab: stage 5 of 7, bundle, running, {seconds} s")
    progress.told("aws:ec2/vpc:Vpc", "network", "create done")
    progress.told(LAB, "lab", "lab: 0 files laid down")
    assert capsys.readouterr().err.splitlines() == ["  bundle: the bundle goes up", "  lab: stage 5 of 7, bundle, running"]
    assert report.call_count == 4


# verbs


@pytest.mark.parametrize(
    "verb",
    ["watch", "bench", "render", "fleet list", "fleet add car 1", "fleet remove car 2", "node-red status", "node-red reset"],
)
def test_verbs_that_look_from_beside_a_cluster_name_the_command_on_the_machine(verb: str) -> None:
    done = CliRunner().invoke(app, [*verb.split(), "-s", "s"])
    assert isinstance(done.exception, UserError)
    assert f"ssh ubuntu@ADDRESS lab {verb} -s vm" in str(done.exception)


@pytest.mark.parametrize("verb", [["doctor"], ["access"], ["logs", "kafka"]])
def test_a_machine_of_a_stack_without_machines_is_refused(verb: list[str]) -> None:
    done = CliRunner().invoke(app, [*verb, "--machine", "lab"])
    assert isinstance(done.exception, UserError)
    assert "makes no machines" in str(done.exception)


def test_a_bundle_on_the_command_line_is_refused_where_the_stacks_file_names_it() -> None:
    done = CliRunner().invoke(app, ["up", "-s", "s", "--bundle", "lab.tar.zst"])
    assert "iotlab:cloud.bundle of the stack's file names" in str(done.exception)


def asked(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], *, json_: bool) -> int:
    lab = Mock(spec=Lab, settings=Mock(machines=("one", "two")))
    monkeypatch.setattr(verbs, "ask_all", lambda *_, **__: answers)
    try:
        verbs.doctor(lab, "", json_=json_)
    except typer.Exit as ended:
        return ended.exit_code
    return 0


def test_several_machines_have_headings_and_who_cannot_be_asked_is_red(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(monkeypatch, {"one": GREEN, "two": LabError("nothing answers")}, json_=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "one"
    assert "canary → mosquitto" in lines[2]
    assert lines[3:] == ["two", "✗  lab: nothing answers"]


def test_several_machines_are_keyed_by_their_names_in_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(monkeypatch, {"one": GREEN, "two": GREEN}, json_=True) == 0
    assert json.loads(capsys.readouterr().out) == {"one": GREEN, "two": GREEN}


def test_what_has_no_port_to_the_outside_is_told_how_to_forward() -> None:
    entries = {
        "registry": {"url": "http://localhost:30500", "user": "lab", "password": "x"},
        "camunda": {"url": "http://198.51.100.7:30880/camunda/", "user": "admin", "password": "x"},
    }
    assert forward_hint(entries, "198.51.100.7").endswith("ssh -L 30500:127.0.0.1:30500 ubuntu@198.51.100.7")
    assert forward_hint({"camunda": entries["camunda"]}, "198.51.100.7") == ""


# the account and its plugin


def refused(code: str) -> failures.ClientError:
    return failures.ClientError({"Error": {"Code": code, "Message": "no"}}, "Call")


@pytest.mark.parametrize(
    ("failed", "kind", "said"),
    [
        (failures.NoCredentialsError(), UserError, "there are no AWS credentials here"),
        (failures.ProfileNotFound(profile="school"), UserError, "there are no AWS credentials here"),
        (refused("ExpiredToken"), UserError, "does not take these credentials"),
        (refused("UnauthorizedOperation"), RefusedError, "AWS refused describe: no"),
        (failures.EndpointConnectionError(endpoint_url="https://ec2"), LabError, "AWS could not be asked for describe"),
    ],
)
def test_what_aws_says_no_to_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, failed: Exception, kind: type[LabError], said: str
) -> None:
    account = Account("eu-central-1")
    monkeypatch.setattr(account, "_client", lambda _: Mock(describe=Mock(side_effect=failed)))
    with pytest.raises(kind, match=said):
        account.ask("ec2", "describe")


def test_credentials_for_another_account_than_the_stacks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    arn = "arn:aws:ec2:eu-central-1:111111111111:instance/i-1"
    made = made_of({"resources": [resource(INSTANCE, "lab", "i-1", arn=arn)]})
    account = Account("eu-central-1")
    monkeypatch.setattr(account, "ask", lambda *_: {"Account": "222222222222", "Arn": "arn:aws:iam::222222222222:user/ada"})
    assert account.payer().account == "222222222222"
    with pytest.raises(UserError, match=r"is in the AWS account 111111111111, these credentials .* are for 222222222222"):
        account.payer(made.account)


def test_another_region_than_that_of_what_is_made_is_refused_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    role = resource("aws:iam/role:Role", "bundle", "r", arn="arn:aws:iam::111111111111:role/r")
    machine = resource(INSTANCE, "lab", "i-1", arn="arn:aws:ec2:eu-central-1:111111111111:instance/i-1")
    made = made_of({"resources": [role, machine]})
    assert (made.account, made.region) == ("111111111111", "eu-central-1")
    account = Account("eu-west-1")
    monkeypatch.setattr(account, "ask", Mock(side_effect=AssertionError))
    with pytest.raises(UserError, match=r"is in the region eu-central-1, its file says eu-west-1: write iotlab:cloud\.region"):
        account.payer(made.account, made.region)


def test_a_store_that_is_gone_costs_nothing_although_awss_list_still_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account("eu-central-1")
    listed = [{"ResourceARN": "arn:aws:s3:::bundle-1", "Tags": []}]
    monkeypatch.setattr(account, "all", lambda service, *_, **__: listed if service.startswith("resource") else [])
    monkeypatch.setattr(account, "ask", Mock(side_effect=[{"Addresses": []}, RefusedError("gone", "404")]))
    assert Bills(account, "s", made_of({})).all() == []


def test_what_the_program_alone_refuses_is_its_sentence_and_no_stack_trace() -> None:
    keys = [f"ssh-rsa {base64.b64encode(random.Random(n).randbytes(400)).decode()}" for n in range(40)]
    with pytest.raises(UserError, match=r"^the user data has \d+ bytes as gzip, clouds take 16384: take fewer ssh keys\.$"):
        asked_of({"cloud": CLOUD | {"sshKeys": keys}, "images": {}})


def test_a_machine_that_the_stack_names_no_more_ends_only_where_a_person_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    up.refuse_to_end(Lab("s"), made_of({"resources": list(MADE)}), ())
    made = made_of({"resources": [*MADE, resource(INSTANCE, "old", "i-2")]})
    with pytest.raises(
        UserError, match=r"no longer names what is made: old i-2\. Put it back, or .* up -s s --end old\. Nothing"
    ):
        up.refuse_to_end(Lab("s"), made, ("other",))
    assert capsys.readouterr().err == ""
    up.refuse_to_end(Lab("s"), made, ("old",))
    assert "old ends, with all its data" in capsys.readouterr().err


def test_what_somebody_else_pays_for_under_the_same_name_is_not_called_ours() -> None:
    bill = Bill("machine m6i.large (running)", "i-9", 90.0, "aws ec2 terminate-instances", known=False, owner="bob")
    assert bill.line("ada").startswith("machine m6i.large (running) i-9 of bob (not you: ask first): 90.00 USD a month; aws")
    assert bill.line("bob") == "machine m6i.large (running) i-9: 90.00 USD a month; aws ec2 terminate-instances"


def test_a_signed_address_names_the_buckets_own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    url = Account("eu-central-1").signed("bundle-1", "bundles/x", 60)
    assert url.startswith("https://bundle-1.s3.eu-central-1.amazonaws.com/bundles/x?")


def test_where_the_download_site_does_not_answer_the_plugin_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IOTLAB_STATE", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("IOTLAB_SEALED", raising=False)
    monkeypatch.setattr(plugin, "_served", lambda: False)
    lab = Lab("s")
    with pytest.raises(UserError, match=r"does not answer\. Run the same command where that can be reached"):
        plugin.need_plugin(lab)


# the bundle


def test_a_bundle_is_named_from_the_checkout_wherever_the_program_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert StoredBundle.of("README.md").file == ROOT / "README.md"


def test_an_export_says_its_hash_and_what_to_do_with_it() -> None:
    lines = packing.next_steps(ROOT / "lab.tar.zst", 1_230_000_000, "ab" * 32)
    assert f"has 1,230 MB and the SHA-256 {'ab' * 32}." in lines[0]
    assert "./lab up --bundle lab.tar.zst#sha256=" in lines[1]
    assert "bundle: lab.tar.zst" in lines[2]
    assert f"file:///run/iotlab/stick/lab.tar.zst#sha256={'ab' * 32}" in lines[3]
    assert "bundle: /media/stick/lab.tar.zst" in packing.next_steps(Path("/media/stick/lab.tar.zst"), 1, "0")[2]
