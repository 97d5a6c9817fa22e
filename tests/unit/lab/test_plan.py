"""`./lab plan`: everything about a stack before it is made, with no account, no toolchain of its own and nothing left out."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from infra import wiring
from infra.lab import stack as stacks
from infra.lab.cli import app
from infra.lab.errors import UserError
from infra.lab.lab import Lab
from infra.lab.paths import ROOT
from infra.lab.plan.collect import Plan, plan_of
from infra.lab.plan.difference import difference
from infra.lab.plan.page import page
from infra.lab.toolchain import host
from infra.settings import SETS
from tests.support.cloud import CLOUD, INSTANCE, KEY

OF_OURS = "iotlab:cloud:"


def _helm(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
    made = f"---\nkind: Deployment\nmetadata: {{name: {words[2]}}}\n"
    return subprocess.CompletedProcess(words, 0, made, "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stacks")


@pytest.fixture(autouse=True)
def _alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stacks of the test's own beside the project's; helm answers with one object a chart."""
    for file in ROOT.glob("Pulumi.*.yaml"):
        (folder / file.name).write_text(file.read_text())
    monkeypatch.setattr(stacks, "ROOT", folder)
    monkeypatch.setenv("IOTLAB_STATE", str(folder / "state"))
    monkeypatch.setenv("IOTLAB_CACHE", str(folder / "cache"))
    monkeypatch.setattr(host, "fits", lambda: False)
    monkeypatch.setattr("infra.lab.render.subprocess.run", _helm)


def stack(folder: Path, name: str, services: list[str], machines: list[str] | None = None, **cloud: object) -> Lab:
    config = {"iotlab:services": services, "iotlab:cloud": CLOUD | cloud, "iotlab:machines": machines or ["lab"]}
    (folder / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": config}))
    return Lab(name)


@pytest.fixture(scope="module")
def core(folder: Path) -> Plan:
    """The plan of one machine with the core set."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stacks, "ROOT", folder)
        patched.setenv("IOTLAB_STATE", str(folder / "state"))
        patched.setenv("IOTLAB_CACHE", str(folder / "cache"))
        patched.setattr(host, "fits", lambda: False)
        patched.setattr("infra.lab.render.subprocess.run", _helm)
        return plan_of(stack(folder, "core", ["core"]))


def test_the_stack_of_the_repository_is_shown_before_anybody_filled_it_in() -> None:
    plan = plan_of(Lab("s"))
    assert set(plan.assumed) == {"ownerCidr", "owner", "expires", "sshKeys", "bundle"}
    (why,) = plan.refused
    assert why.startswith("fill in under iotlab:cloud: ownerCidr: ")
    assert [name for kind, name, _ in plan.resources if kind == INSTANCE] == ["lab"]
    assert plan.usd_month == pytest.approx(91.44, abs=0.01)


def test_a_stack_that_is_filled_in_assumes_nothing(core: Plan) -> None:
    assert (core.assumed, core.refused) == ({}, ())


def test_the_user_data_is_what_the_machine_gets(core: Plan) -> None:
    text = core.user_data["lab"]
    assert text.startswith("#cloud-config\n")
    assert KEY in text
    assert yaml.safe_load(text)["write_files"]
    assert 0 < core.user_data_bytes["lab"] <= 16_384


def test_the_manifests_are_those_of_the_machines_own_lab(core: Plan) -> None:
    assert set(core.manifests) == {f"{service}.yaml" for service in SETS["core"]} | {"lab.yaml", "secrets.yaml"}


def test_what_the_stack_does_on_its_machines_is_told_in_plain_words(folder: Path) -> None:
    _, said = _run("-s", "s")
    told = " ".join(said.split())
    for words in ("the stack's own key", "the key that the machine is known by", "waits for its stages (60 min at most)"):
        assert words in told, words
    written = page(plan_of(stack(folder, "told", ["core"])))
    assert "the stack&#39;s own key" in written
    assert "privateKey" not in json.dumps(plan_of(Lab("told")).as_json(), default=str)


def test_every_way_in_has_a_source_a_login_and_a_reason(core: Plan) -> None:
    assert {port.port for port in core.ports} == {22, 16443, 31883, 31884, 30443}
    assert all(port.source == CLOUD["ownerCidr"] and port.login and port.reason for port in core.ports)


def test_the_local_stack_is_planned_too_and_costs_nothing() -> None:
    plan = plan_of(Lab("local"))
    assert (plan.machines, plan.price, plan.quotas, plan.user_data) == ({}, (), (), {})
    assert "Nothing to pay" in plan.price_note
    assert {port.source for port in plan.ports} == {"127.0.0.1"}
    assert {port.port for port in plan.ports} == {row.node_port for row in wiring.EXPOSED}
    assert "kafka.yaml" in plan.manifests


def test_json_holds_everything_and_no_secret(core: Plan) -> None:
    told = json.loads(json.dumps(core.as_json(), default=str))
    assert set(told) >= {"stack", "resources", "user_data", "manifests", "ports", "quotas", "price", "refused", "assumed"}
    assert told["price"]["usd_h"] == pytest.approx(sum(line["usd_h"] for line in told["price"]["lines"]), abs=1e-3)
    assert {"type": INSTANCE, "name": "lab"}.items() <= next(r for r in told["resources"] if r["type"] == INSTANCE).items()
    text = json.dumps(plan_of(Lab("local")).as_json(), default=str)
    assert "stringData" not in text
    assert '"value": "generated"' not in text


def test_the_page_needs_nothing_from_elsewhere_and_shows_text_as_text(folder: Path) -> None:
    written = page(plan_of(stack(folder, "shown", ["core"], openReason="A [b] & (c)")))
    assert not re.search(r"(src|href)=|@import|url\(", written)
    assert "A [b] &amp; (c)" in written
    for said in ("91.44", "16443/tcp", "L-1216C47A", "#cloud-config", "kafka.yaml", "aws:ec2/instance:Instance"):
        assert said in written, said


def test_two_stacks_differ_by_what_was_changed_and_not_by_their_names(folder: Path) -> None:
    names = ("one", "other")
    same = [plan_of(stack(folder, name, ["core"]), "compared") for name in names]
    found = difference(same[0], same[1], names)
    nothing: dict[str, object] = {"added": (), "removed": (), "changed": {}}
    assert [found.as_json()[part] for part in ("resources", "ports", "user_data", "manifests")] == [nothing] * 4
    larger = plan_of(stack(folder, "other", ["core", "teaching"], ["lab", "lab-2"], machineType="m6i.xlarge"), "compared")
    found = difference(same[0], larger, names)
    assert f"{INSTANCE} lab-2" in found.resources.added
    assert "+instanceType: m6i.xlarge" in found.resources.changed[f"{INSTANCE} lab"]
    assert "jupyter 32088/tcp" in found.ports.added
    assert "jupyter.yaml" in found.manifests.added
    assert found.usd_h[1] - found.usd_h[0] == pytest.approx(0.355, abs=0.01)


def _run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["plan", *words])
    if isinstance(done.exception, UserError):
        return done.exception.exit_code, f"{done.output}{done.exception}"
    return done.exit_code, done.output


def test_a_stack_above_its_limit_is_shown_and_refused(folder: Path) -> None:
    stack(folder, "dear", ["core"], monthlyLimit=50)
    code, said = _run("-s", "dear")
    assert code == 2
    assert "while stopped" in said
    assert "the stack costs 91.44 USD a month, iotlab:cloud.monthlyLimit is 50: take fewer iotlab:machines" in said


def test_json_and_page_are_written_by_one_command(folder: Path) -> None:
    stack(folder, "core", ["core"])
    code, said = _run("-s", "core", "--json", "--page", str(folder / "plan.html"))
    assert code == 0
    assert json.loads(said[said.index("{") :])["stack"] == "core"
    assert (folder / "plan.html").read_text().startswith("<!doctype html>")


def test_two_stacks_are_compared_by_one_command(folder: Path) -> None:
    stack(folder, "core", ["core"])
    code, said = _run("--diff", "core", "local")
    assert code == 0
    assert f"- {INSTANCE} lab" in said
    assert "USD/month: 91.4" in said
    assert _run("--diff", "core", "local", "--page", "x")[0] == 2


def test_a_bundle_that_is_not_there_yet_and_a_day_that_has_come_are_told_beside_the_rest(folder: Path) -> None:
    plan = plan_of(stack(folder, "late", ["core"], bundle="/nowhere.tar.zst", expires="2020-01-01"))
    assert set(plan.assumed) == {"bundle", "expires"}
    assert [why.split(":")[1].split(" ")[0] for why in plan.refused] == ["cloud.expires", "cloud.bundle"]


def test_without_helm_the_rest_is_shown(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("infra.lab.render.subprocess.run", missing)
    plan = plan_of(stack(folder, "core", ["core"]))
    assert plan.manifests == {}
    assert plan.not_shown == "No manifests: the program helm is missing; ./lab up makes the toolchain."
    assert plan.resources


@pytest.mark.parametrize("verb", [["up"], ["down"], ["status"], ["doctor"], ["access"], ["watch"], ["env"], ["fleet", "list"]])
def test_other_verbs_say_that_a_stack_of_machines_is_only_planned(verb: list[str]) -> None:
    done = CliRunner().invoke(app, [*verb, "-s", "s"])
    assert isinstance(done.exception, UserError)
    assert "./lab plan -s s shows them" in str(done.exception)
