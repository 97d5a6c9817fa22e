"""The tree shows the architecture: every service has its rooms, values stand in one place, files stay small."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from infra import scales, versions, wiring
from infra.settings import NEEDS, UPSTREAM

ROOT = Path(__file__).resolve().parents[2]
CHARTED = ("mosquitto", "kafka", "influxdb", "camunda", "node-red", "jupyter", "grafana", "ingress", "registry", "headlamp")
APPS = tuple(service for service in NEEDS if service not in CHARTED)
FILE_LINES, FUNCTION_LINES, MAIN_LINES, STACK_LINES, TEMPLATE_LINES = 300, 40, 60, 20, 80
PROGRAM_LINES = 90  # infra/__main__.py: an import and two to four lines for each service, and nothing else
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}


def tracked(*patterns: str) -> list[Path]:
    said = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in said.stdout.split("\0") if name and (path := ROOT / name).is_file()]  # a link may be to a folder


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("service", CHARTED)
def test_a_service_has_module_chart_image_and_readme(service: str) -> None:
    for room in (
        f"infra/services/{service.replace('-', '_')}.py",
        f"charts/{service}/Chart.yaml",
        f"charts/{service}/values.schema.json",
    ):
        assert (ROOT / room).is_file(), room
    assert (ROOT / f"charts/{service}/image/Containerfile").is_file() is (service not in UPSTREAM)
    assert (ROOT / f"charts/{service}/README.md").is_file()


@pytest.mark.parametrize("app", APPS)
def test_an_app_has_settings_a_short_main_and_tests(app: str) -> None:
    module = wiring.module_of(app)
    assert (ROOT / f"apps/{module}/settings.py").is_file()
    assert len((ROOT / f"apps/{module}/__main__.py").read_text().splitlines()) <= MAIN_LINES
    assert list((ROOT / "tests/unit/apps").glob(f"test_{module}*.py"))


def test_a_module_is_named_otherwise_only_where_the_services_name_is_a_contract() -> None:
    assert {path.parent.name for path in (ROOT / "apps").glob("*/__main__.py")} == {wiring.module_of(app) for app in APPS}


def test_only_the_fleet_imports_numpy_which_takes_15_mb_of_memory() -> None:
    imports = re.compile(r"^\s*(import|from) numpy\b", re.MULTILINE)
    found = {path.relative_to(ROOT / "apps").parts[0] for path in tracked("apps/*.py") if imports.search(path.read_text())}
    assert found == {"fleet"}


def test_every_service_has_a_budget_in_every_scale() -> None:
    for scale in scales.SCALES.values():
        assert set(scale.budgets) == set(NEEDS)


def test_files_stay_small() -> None:
    over = {relative(path): lines for path in tracked("*.py", "*.go", "*.sh", "lab") if (lines := _lines(path)) > FILE_LINES}
    assert {name: lines for name, lines in over.items() if name not in LONG_FILES} == {}


def test_functions_stay_short() -> None:
    over = []
    for path in tracked("infra/**/*.py", "infra/*.py", "apps/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                name = f"{relative(path)}:{node.name}"
                if lines > FUNCTION_LINES and name not in LONG_FUNCTIONS:
                    over.append(f"{name} has {lines} lines")
    assert over == []


def test_stacks_are_short_and_the_program_is_too() -> None:
    for path in tracked("Pulumi.*.yaml"):
        assert _lines(path) <= STACK_LINES, path.name
    assert _lines(ROOT / "infra/__main__.py") <= PROGRAM_LINES
    assert "if stack" not in (ROOT / "infra/__main__.py").read_text()


def test_templates_hold_one_kind_each() -> None:
    for path in tracked("charts/*/templates/*.yaml"):
        assert _lines(path) <= TEMPLATE_LINES, relative(path)
        assert path.read_text().count("\nkind:") + path.read_text().startswith("kind:") <= 1, relative(path)


def test_no_version_literal_stands_outside_its_one_place() -> None:
    pinned = [value for name, value in vars(versions).items() if name.isupper() and re.fullmatch(r"[\d.]{5,}", str(value))]
    assert pinned
    places = tracked("infra/**/*.py", "apps/**/*.py", "charts/*/values.yaml", "charts/*/templates/*", "tests/**/*.py")
    found = [
        f"{relative(path)}: {value}"
        for path in places
        if path.name != "versions.py"
        for value in pinned
        if value != versions.LAB and re.search(rf"(?<![\d.]){re.escape(value)}(?![\d.])", path.read_text())
    ]
    assert found == []


def test_no_topic_name_stands_outside_the_wiring() -> None:
    names = [topic.name for topic in wiring.TOPICS] + [series.database for series in wiring.SERIES if "_" in series.database]
    places = tracked("infra/**/*.py", "apps/**/*.py", "charts/*/values.yaml", "charts/*/templates/*")
    found = [
        f"{relative(path)}: {name}"
        for path in places
        if relative(path) != "infra/wiring.py"
        for name in names
        if re.search(rf"[\"']{re.escape(name)}[\"']", path.read_text())
    ]
    assert found == []


def test_exceptions_to_the_rules_are_few_and_give_a_reason() -> None:
    marks = re.compile(r"# (?:noqa|type: ignore)(.*)")
    found = [(relative(path), match.group(1)) for path in tracked("*.py") for match in marks.finditer(path.read_text())]
    for name, rest in found:
        assert re.match(r"(: ?[A-Z]+\d+|\[[a-z-]+\]).* - .+", rest), f"{name}: an exception without code and reason: {rest}"
    assert len(found) <= 5, found


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())
