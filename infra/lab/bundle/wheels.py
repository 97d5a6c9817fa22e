"""The Python packages of requirements.txt for a machine without a network: the first members of a bundle.

First, because the door has to take them out with nothing but Python's own library before anything else of the lab runs.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from pathlib import Path

from infra.lab.console import Steps
from infra.lab.paths import ROOT, Paths
from infra.lab.toolchain.pypi import PYPI

PINS = ROOT / "requirements.txt"
FOLDER = "wheels"  # in the bundle; the door knows it, too
VIA = re.compile(r"^ +# +(?:via )?([\w-]+)$", re.MULTILINE)  # whom a package came for
LEAN = "-lean"  # behind the name of a folder with the packages of RUNS_ON alone
# What infra/ imports. The rest is for tests: half of the size, two thirds of the time that pip takes (2026-11).
RUNS_ON = frozenset(
    {
        *("boto3", "cryptography", "jinja2", "jmespath", "paho-mqtt", "paramiko", "prometheus-client", "psutil"),
        *("pulumi", "pulumi-aws", "pulumi-kubernetes", "pydantic", "pyyaml", "rich", "typer", "urllib3"),
    }
)


def wheels(paths: Paths, steps: Steps) -> Path:
    """The folder with every package of requirements.txt for this Python, each hash checked by pip."""
    key = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = paths.cache / FOLDER / key
    if folder.is_dir():
        return folder
    scratch = folder.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    command: list[str | Path] = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--dest", scratch, "--requirement", PINS]
    name = "Python packages of the bundle"
    with steps.step(name):
        PYPI.run(steps, name, command)
    for older in folder.parent.iterdir():
        if older != scratch:
            shutil.rmtree(older)
    scratch.replace(folder)
    return folder


def needed(pins: str) -> str:
    """Of a requirements.txt as uv writes it, RUNS_ON and what they need: each package says whom it came for."""
    blocks = {block.partition("==")[0]: block for block in re.split(r"^(?=[a-z0-9])", pins, flags=re.MULTILINE)[1:]}
    whom = {name: set(VIA.findall(block)) for name, block in blocks.items()}
    found = set(RUNS_ON)
    while more := {name for name, needing in whom.items() if needing & found} - found:
        found |= more
    return "".join(block for name, block in blocks.items() if name in found)


def lean(whole: Path) -> Path:
    """Of a folder of packages, those that a lab runs on, with their pins, by which the door takes them."""
    folder = whole.with_name(f"{whole.name}{LEAN}")
    scratch = folder.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    pins = needed(PINS.read_text())
    wanted = set(re.findall(r"^([a-z0-9-]+)==", pins, re.MULTILINE))
    for wheel in whole.glob("*.whl"):
        if wheel.name.partition("-")[0].lower().replace("_", "-").replace(".", "-") in wanted:
            (scratch / wheel.name).hardlink_to(wheel)
    (scratch / PINS.name).write_text(pins)
    shutil.rmtree(folder, ignore_errors=True)
    scratch.replace(folder)
    return folder
