"""Node-RED's image is made from pins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra import versions
from infra.lab.bundle.inventory import inventory
from infra.lab.paths import ROOT

IMAGE = ROOT / "charts/node-red/image"
LOCK: dict[str, Any] = json.loads((IMAGE / "package-lock.json").read_text())


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
