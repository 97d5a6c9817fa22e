"""What people changed in the lab's own flows is told; and the image is made from pins."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from infra import versions
from infra.lab.bundle.inventory import inventory
from infra.lab.lab import Lab
from infra.lab.node_red import changed
from infra.lab.paths import ROOT
from infra.settings import Settings

IMAGE = ROOT / "charts/node-red/image"
LOCK: dict[str, Any] = json.loads((IMAGE / "package-lock.json").read_text())


def _lab(services: list[str], report: object = None) -> Lab:
    kube = SimpleNamespace(run=lambda *_: json.dumps(report))
    return cast("Lab", SimpleNamespace(settings=Settings.parse({"iotlab:services": services}), kube=kube))


def test_changed_flows_are_told_with_their_difference() -> None:
    kept = [{"unit": "a", "label": "tab 'IoTKit to Kafka'", "changes": ["debug 'readings' was deleted", "x was added"]}]
    told = changed(_lab(["core", "node-red"], {"kept": kept, "warnings": ["nothing carries MQTT to Kafka"]}))
    assert told == [
        "nothing carries MQTT to Kafka",
        "tab 'IoTKit to Kafka' is kept as people changed it: debug 'readings' was deleted",
        "tab 'IoTKit to Kafka' is kept as people changed it: x was added",
    ]


def test_a_stack_without_flows_is_not_asked() -> None:
    assert changed(_lab(["core"])) == []


def test_every_npm_package_is_pinned_by_its_hash_and_names_no_registry() -> None:
    packages = {path: package for path, package in LOCK["packages"].items() if path and not package.get("inBundle")}
    assert len(packages) > 200
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values())


def test_versions_are_those_of_versions_py() -> None:
    asked = json.loads((IMAGE / "package.json").read_text())
    assert asked["dependencies"]["node-red"] == versions.NODE_RED
    assert asked["version"] == LOCK["version"] == versions.LAB
    assert LOCK["packages"]["node_modules/node-red"]["version"] == versions.NODE_RED


def test_the_inventory_names_the_npm_packages_that_are_there(tmp_path: Path) -> None:
    modules = tmp_path / "opt/node-red/node_modules"
    packages = {"node_modules/a": "1.0.0", "node_modules/a/node_modules/@s/b": "2.0.0", "node_modules/trimmed": "3.0.0"}
    (modules / "a/node_modules/@s/b").mkdir(parents=True)
    listed = {path: {"version": version} for path, version in packages.items()}
    (modules / ".package-lock.json").write_text(json.dumps({"packages": listed}))
    assert [(each.kind, each.name, each.version) for each in inventory(tmp_path)] == [
        ("npm", "a", "1.0.0"),
        ("npm", "@s/b", "2.0.0"),
    ]
