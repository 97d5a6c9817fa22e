"""Where the broker tier's servers come from. What is missing fails with its name; nothing is skipped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra import versions
from infra.lab.bundle import jars
from infra.lab.console import Steps
from infra.lab.paths import ROOT, Paths
from infra.lab.toolchain import Toolchain
from infra.lab.toolchain.debian import DebianPackages, Wrapped
from infra.lab.toolchain.parts import Part

KAFKA_LOG = ROOT / "charts" / "kafka" / "image" / "log4j2.properties"


def program(name: str) -> Path:
    """An executable of the toolchain."""
    found = Paths.from_environment().bin / name
    if not found.exists():
        pytest.fail(f"the program {name} is missing in the toolchain ({found.parent}); run ./lab test --only broker")
    return found


def unpacked(package: str, path: str, settings: str = "") -> Path:
    """A program of Debian's, unpacked into a cache of the tests: the lab itself doesn't run it on the host.

    `settings` are lines of shell before its start.
    """
    paths = Paths.from_environment()
    ours = Paths(paths.cache / "tests" / package, paths.state)  # of its own: a toolchain takes away links that aren't its own
    name = Path(path).name
    packages = DebianPackages((package,), {name: Wrapped(path, settings)}, {})
    part = Part(name=package, version=versions.DEBIAN, lane="download", disk_gb=0.1, recipes=(packages,), checks={})
    Toolchain(ours, Steps(ours), known=(part,)).ensure()
    return ours.bin / name


def influxd() -> Path:
    """InfluxDB's server."""
    return unpacked("influxdb", "usr/bin/influxd")


def cloud_init() -> Path:
    """The program that reads user data on a machine."""
    return unpacked("cloud-init", "usr/bin/cloud-init", 'export PYTHONPATH="$root/usr/lib/python3/dist-packages"\n')


def systemd_analyze() -> Path:
    """The program that checks units."""
    return unpacked("systemd", "usr/bin/systemd-analyze")


def docker_registry() -> Path:
    """A container registry."""
    return unpacked("docker-registry", "usr/bin/docker-registry")


def java() -> str:
    """The Java virtual machine."""
    found = shutil.which("java")
    if found is None:
        pytest.fail("the program java is missing; install Debian's openjdk-17-jre-headless")
    return found


def jars_of(image: str) -> Path:
    """The folder of jars, the same as in the image."""
    paths = Paths.from_environment()
    return jars.jars(image, paths, Steps(paths))
