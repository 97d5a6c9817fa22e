"""Where the broker tier's servers come from. What is missing fails with its name; nothing is skipped."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from infra import versions
from infra.lab.console import Steps
from infra.lab.paths import ROOT, Paths
from infra.lab.toolchain import Toolchain
from infra.lab.toolchain.debian import DebianPackages, Wrapped
from infra.lab.toolchain.parts import Part

POM = ROOT / "charts" / "kafka" / "image" / "pom.xml"


def program(name: str) -> Path:
    """An executable of the toolchain."""
    found = Paths.from_environment().bin / name
    if not found.exists():
        pytest.fail(f"the program {name} is missing in the toolchain ({found.parent}); run ./lab test --only broker")
    return found


def influxd() -> Path:
    """InfluxDB's server, unpacked from Debian's package into a cache of the tests: the lab itself runs it as an image only."""
    paths = Paths.from_environment()
    ours = Paths(paths.cache / "tests", paths.state)
    packages = DebianPackages(("influxdb",), {"influxd": Wrapped("usr/bin/influxd")}, {})
    part = Part("influxdb", versions.DEBIAN, "download", (packages,), {})
    Toolchain(ours, Steps(ours), known=(part,)).ensure()
    return ours.bin / "influxd"


def java() -> str:
    """The Java virtual machine."""
    found = shutil.which("java")
    if found is None:
        pytest.fail("the program java is missing; install Debian's openjdk-17-jre-headless")
    return found


def kafka_jars() -> Path:
    """The folder of Kafka's jars, fetched once from Maven Central as the image's pom.xml says."""
    paths = Paths.from_environment()
    pins = POM.read_bytes() + f"{versions.KAFKA} {versions.LOG4J}".encode()
    folder = paths.cache / "jars" / f"kafka-{versions.KAFKA}-{hashlib.sha256(pins).hexdigest()[:10]}"
    if folder.is_dir():
        return folder
    if shutil.which("mvn") is None:
        pytest.fail("the program mvn is missing; install Debian's maven")
    scratch = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    given = [f"-Dkafka.version={versions.KAFKA}", f"-Dlog4j.version={versions.LOG4J}", f"-DoutputDirectory={scratch}"]
    words: list[str | Path] = ["mvn", "-q", "-B", "-f", POM, *given, "dependency:copy-dependencies"]
    Steps(paths).run("Kafka's jars", words, timeout_s=600.0)
    scratch.rename(folder)
    return folder
