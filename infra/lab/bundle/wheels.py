"""The Python packages of requirements.txt for a machine without a network: the first members of a bundle.

First, because the door has to take them out with nothing but Python's own library before anything else of the lab runs.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from infra.lab.console import Steps
from infra.lab.paths import ROOT, Paths
from infra.lab.toolchain.pypi import PYPI

PINS = ROOT / "requirements.txt"
FOLDER = "wheels"  # in the bundle; the door knows it, too


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
