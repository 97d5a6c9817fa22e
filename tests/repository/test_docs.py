"""What the documentation says is true: its tables are made from the data, its commands exist, its links lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer.main
import yaml
from typer.core import TyperCommand, TyperGroup

from infra.lab import chaos
from infra.lab.cli import app
from infra.lab.stack import settings_of
from infra.lab.testing import BENCHES
from infra.scales import S
from infra.settings import Settings
from tests.bench.report import Report
from tests.faults import test_mosquitto_ends

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
MEASURED = sorted(file.stem.removeprefix("bench-") for file in ROOT.glob("docs/measured/bench-*.json"))
PAGES = [path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if path.is_file()]


def test_the_table_of_stacks_is_current() -> None:
    rows = ["| stack | scale | cars | services | cluster |", "|---|---|---|---|---|"]
    for file in sorted(ROOT.glob("Pulumi.*.yaml")):
        name = file.name.split(".")[1]
        settings = settings_of(name)
        cars = f"{settings.scale.cars}, every {settings.scale.interval_s:g} s"
        cluster = settings.kubeconfig or "embedded"
        if settings.cloud:
            cluster = f"{settings.cloud.kubernetes} on {len(settings.machines)} {settings.machine_type.name}"
        rows.append(f"| `{name}` | {settings.scale_name} | {cars} | {', '.join(settings.services)} | {cluster} |")
    assert "\n".join(rows) in README, "\n".join(rows)


def test_every_command_that_the_readme_names_exists() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    known = set(group.commands)
    named = set(re.findall(r"\./lab ([a-z-]+)", README))
    assert {"up", "test", "down", "doctor", "watch", "status", "access", "logs", "env"} <= named
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    for line in re.findall(r"(?:\./|sudo )lab ([a-z][^`\n;|)]*)", page.read_text()):
        words = line.partition("  ")[0].split()
        command: object = typer.main.get_command(app)
        while isinstance(command, TyperGroup) and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
            assert words[0] in command.commands, f"{page.name}: ./lab {line}"
            command = command.commands[words.pop(0)]
        if isinstance(command, TyperCommand):
            known = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)} <= known | {"--"}, (
                f"{page.name}: ./lab {line}"
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_stack_file_that_a_page_shows_can_be_read(page: Path) -> None:
    for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        if "iotlab:" in block:
            shown = yaml.safe_load(block.replace("AAAA…", 68 * "A").replace("…=", 43 * "A" + "="))
            Settings.parse(shown.get("config", shown))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_table_of_memory_has_every_service_with_its_limit() -> None:
    page = (ROOT / "docs/memory.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| (\d+) \|", page, re.MULTILINE)
    said = {service: (int(request_mb), int(limit_mb)) for service, request_mb, limit_mb in rows}
    assert said == {service: (budget.request_mb, budget.limit_mb) for service, budget in S.budgets.items()}


def test_whatever_was_measured_is_of_a_bench_that_can_be_repeated() -> None:
    assert {"bridge", "timeseries"} <= set(MEASURED) <= set(BENCHES)


@pytest.mark.parametrize("bench", MEASURED)
def test_a_benchs_table_is_that_of_its_file_and_the_readme_says_the_same(bench: str) -> None:
    found = Report.of_json((ROOT / f"docs/measured/bench-{bench}.json").read_text())
    assert found.as_table() in (ROOT / "docs/measured/README.md").read_text(), found.as_table()
    ours, *_ = found.contenders.values()
    peer, *_ = found.ratio.values()
    row = f"| {ours.msg_s:,}/s | {peer['msg_s']} x | {peer['msg_s_per_core']} x | {ours.p99_ms} ms, {peer['p99_ms']} x |"
    assert row in README, row
    assert [result.lost for result in found.contenders.values()] == [0] * len(found.contenders)


@pytest.mark.parametrize("run", ["fleet-xl", "fleet-xl-qos1"])
def test_what_the_docs_say_of_100000_cars_is_what_the_report_says(run: str) -> None:
    found = json.loads((ROOT / f"docs/measured/{run}.json").read_text())
    page = (ROOT / "docs/measured/README.md").read_text()
    arrived = {found["sent"], *(hop["arrived"] for hop in found["beyond"].values())}
    assert arrived == {6_000_000}
    assert (found["connected"], found["lost"], found["lost_connections"]) == (100_000, 0, 0)
    assert f"100,000, {found['connects_s']:,.0f} a second" in page
    assert f"{found['sent']:,}, {found['rate_msg_s']:,.0f} a second" in page
    assert f"p50 {found['p50_ms']:g} ms, p99 {found['p99_ms']:g} ms" in page
    assert f"{sum(found['pods_mb'].values()):,} MB" in page
    kafka = found["beyond"]["kafka"]
    assert f"p50 at most {kafka['p50_ms']:g} ms, p99 at most {kafka['p99_ms']:g} ms" in page
    assert f"at most {kafka['p99_ms']:g} ms" in README


def test_what_the_docs_say_of_a_million_cars_is_what_the_report_says() -> None:
    found = json.loads((ROOT / "docs/measured/fleet-xxl.json").read_text())
    page = (ROOT / "docs/measured/README.md").read_text()
    connecting, publishing = found["stages"]
    assert f"{found['connected']:,} at once, after {connecting['lasts_s']:.0f} s, {found['connects_s']:,.0f} a second" in page
    assert f"{found['sent']:,} in {publishing['lasts_s']:.0f} s" in page
    for row in (
        f"| lost connections | {found['lost_connections']:,} |",
        f"| {found['dropped']:,} | 0 |",
        f"of {found['received']:,} messages read back, lost | {found['lost']} |",
    ):
        assert row in page, row


def test_the_table_of_faults_has_those_that_the_tests_show() -> None:
    page = (ROOT / "docs/faults.md").read_text()
    shown = {found for path in ROOT.glob("tests/faults/test_*.py") for found in re.findall(r'"(R\d+) ', path.read_text())}
    assert len(shown) > 10
    assert set(re.findall(r"^\| (R\d+) \|", page, re.MULTILINE)) == shown


def test_the_flush_window_of_the_docs_is_that_of_the_chart_and_of_the_tests() -> None:
    page = (ROOT / "docs/faults.md").read_text()
    autosave_s = yaml.safe_load((ROOT / "charts/mosquitto/values.yaml").read_text())["autosaveS"]
    assert f"`autosaveS` ({autosave_s} s, of the chart)" in page
    assert test_mosquitto_ends.WINDOW_S == chaos.FLUSH_WINDOW_S
    assert f"up to {chaos.FLUSH_WINDOW_S:g} s before a kill -9" in page
