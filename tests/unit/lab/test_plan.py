"""`./lab plan`: everything about a stack before it is made, with no account, no toolchain of its own and nothing left out."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from infra import wiring
from infra.cloud import prices
from infra.lab import stack as stacks
from infra.lab.cli import app
from infra.lab.errors import UserError
from infra.lab.lab import Lab
from infra.lab.paths import ROOT
from infra.lab.plan import command
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


def test_the_page_fits_a_phone_and_what_is_not_encrypted_stands_out(core: Plan) -> None:
    written = page(core)
    assert written.count('<div class="wide"><table>') == written.count("<table") == 4, "each is moved sideways by itself"
    assert re.search(r"\.wide { overflow-x: auto } td { overflow-wrap: break-word;", written)
    assert written.count('<td><strong class="open">NO</strong></td>') == sum(not port.encrypted for port in core.ports) > 0


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


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({"reason": "another"}, "-why: {0.reason}\n+why: another"),
        ({"encrypted": False}, "-encrypted: yes\n+encrypted: no"),
        ({"source": "0.0.0.0/0"}, "-from {0.source}\n+from 0.0.0.0/0"),
        ({"login": "none"}, "-login: {0.login}\n+login: none"),
    ],
)
def test_whatever_changes_about_a_way_in_is_told(core: Plan, change: dict[str, Any], lines: str) -> None:
    first, *rest = core.ports
    found = difference(core, replace(core, ports=(replace(first, **change), *rest)), ("one", "other"))
    assert found.ports.changed == {f"{first.service} {first.port}/{first.protocol}": lines.format(first)}


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


def test_a_page_that_cannot_be_written_is_refused_before_the_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "plan_of", lambda *_: pytest.fail("the work was begun"))
    code, said = _run("-s", "s", "--page", str(folder / "gone/p.html"))
    assert code == 2
    assert f"there is no folder {folder / 'gone'} to write p.html into; make it" in said


def test_two_stacks_are_compared_by_one_command(folder: Path) -> None:
    stack(folder, "core", ["core"])
    code, said = _run("--diff", "core", "local")
    assert code == 0
    assert f"- {INSTANCE} lab" in said
    assert "USD/month: 91.4" in said
    assert _run("--diff", "core", "local", "--page", "x")[0] == 2


def _shown(*words: str) -> str:
    done = CliRunner().invoke(app, ["plan", *words])
    assert done.exit_code == 0, done.exception
    return done.stdout


def test_each_long_text_is_printed_whole_by_its_name(folder: Path) -> None:
    stack(folder, "core", ["core"])
    cloud_init = _shown("-s", "core", "--show", "cloud-init")
    assert cloud_init == _shown("-s", "core", "--show", "lab") == plan_of(Lab("core")).user_data["lab"]
    manifests = _shown("-s", "core", "--show", "manifests")
    assert {f"# ---------- {service}.yaml" for service in SETS["core"]} < set(manifests.splitlines())
    assert _shown("-s", "core", "--show", "kafka") == _shown("-s", "core", "--show", "kafka.yaml") in manifests
    everything = _shown("-s", "core", "--show", "all")
    assert all(text in everything for text in ("USD/month", cloud_init, *plan_of(Lab("core")).manifests.values()))
    resources = yaml.safe_load(_shown("-s", "core", "--show", "resources"))
    assert resources[f"{INSTANCE} lab"]["instanceType"] == "m6i.large"


def test_the_summary_names_every_stage_and_how_to_see_the_rest(folder: Path) -> None:
    stack(folder, "core", ["core"])
    said = _shown("-s", "core")
    assert "stages of lab: 20-packages, 30-data, 50-microk8s, 55-addons, 60-bundle, 80-tools, 90-lab" in said
    for name in ("cloud-init", "resources", "manifests", "bridge.yaml"):
        assert f"./lab plan -s core --show {name}\n" in said
    assert "…" not in said, "a table's cell is cut off"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--show", "nothing"],
            "the plan of 'core' has no 'nothing' to show: it has all, cloud-init, manifests, resources, lab, ",
        ),
        (["--show", "lab", "--json"], "--show prints one text of one plan: leave --page, --diff and --json out."),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(folder: Path, words: list[str], sentence: str) -> None:
    stack(folder, "core", ["core"])
    code, said = _run("-s", "core", *words)
    assert code == 2
    assert sentence in said


def test_a_class_is_planned_with_each_machine_its_address_price_and_quotas(folder: Path) -> None:
    names = ["modtec-02-st17a", "modtec-03-st17a", "modtec-07-st17a"]
    stack(folder, "class", ["core"], names, vpn={"net": 17, "gateway": "vpn.example.org"})
    plan = plan_of(Lab("class"))
    assert plan.refused == ()
    assert plan.machines["modtec-07-st17a"] == "m6i.large, 2 vCPUs, 8 GB, VPN 192.168.17.7"
    assert list(plan.user_data) == names
    assert plan.usd_h == pytest.approx(0.3757, abs=1e-4)
    said = _shown("-s", "class")
    assert re.search(r"^vpn +51837/udp ", said, re.MULTILINE)
    assert "3 x machine m6i.large  0.3450    251.85" in said
    assert re.search(r"L-1216C47A +6 +5  ask for more", said)
    whole = _shown("-s", "class", "--show", "cloud-init")
    assert [line for line in whole.splitlines() if line.startswith("# ----------")] == [f"# ---------- {name}" for name in names]


def test_old_prices_are_said_on_the_terminal_and_on_the_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "OLD_DAYS", -1)
    stack(folder, "core", ["core"])
    assert "put the day into `checked`." in _shown("-s", "core")
    assert "put the day into `checked`." in page(plan_of(Lab("core")))


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
