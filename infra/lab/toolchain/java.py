"""A JDK and Maven, from Debian: build tools may be installed on the machine, servers may not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from infra import versions
from infra.lab.console import Steps
from infra.lab.errors import LabError, UserError
from infra.lab.toolchain.debian import APT, APT_OPTIONS

PACKAGES = {"javac": f"openjdk-{versions.JDK}-jdk-headless", "mvn": "maven"}


def jdk_version() -> int:
    """The major version of the `javac` on PATH, 0 if there is none."""
    try:
        done = subprocess.run(["javac", "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.search(r"javac (\d+)", done.stdout + done.stderr)
    return int(found.group(1)) if found else 0


def missing() -> list[str]:
    """The Debian packages that must be installed before Java can be built."""
    there = {"javac": jdk_version() >= versions.JDK, "mvn": shutil.which("mvn") is not None}
    return [package for program, package in PACKAGES.items() if not there[program]]


def ensure(steps: Steps) -> None:
    """Install what is missing.

    Raises:
        UserError: there is no right to install it.
        LabError: it could not be installed, or is not there afterwards.
    """
    packages = missing()
    if not packages:
        return
    wanted = " ".join(packages)
    if os.geteuid() != 0:
        raise UserError(f"{wanted} must be installed, which needs root: sudo apt-get install {wanted}")
    install = ["apt-get", *APT_OPTIONS, "install", "-y", "--no-install-recommends", *packages]
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with steps.step(f"Install {wanted}"):
        try:
            APT.run(steps, "Install build tools", install, env=env)
        except LabError:
            APT.run(steps, "Debian package lists", ["apt-get", *APT_OPTIONS, "update"])
            APT.run(steps, "Install build tools", install, env=env)
    if still := missing():
        raise LabError(f"{' '.join(still)} was installed, but what PATH finds is older or missing: check JAVA_HOME and PATH.")
