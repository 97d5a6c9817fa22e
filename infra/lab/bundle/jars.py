"""Kafka's jars from Maven Central, once per version, and the Java compiler."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from infra import versions
from infra.lab.console import Steps
from infra.lab.paths import ROOT, Paths
from infra.lab.toolchain.debian import APT, APT_OPTIONS
from infra.lab.toolchain.registry import Registry

POM = ROOT / "charts/kafka/image/pom.xml"
MAVEN = Registry("Maven's repository", "check ~/.m2/settings.xml")


def _need(steps: Steps, program: str, packages: Sequence[str]) -> None:
    """Install a build tool that this machine lacks; unlike a server's package it starts nothing."""
    if shutil.which(program):
        return
    command = ["apt-get", *APT_OPTIONS, "install", "--yes", "--no-install-recommends", *packages]
    with steps.step(f"Build tool {program}"):
        APT.run(steps, f"Build tool {program}", command)


def kafka_jars(paths: Paths, steps: Steps) -> Path:
    """The folder with Kafka's jars and all they need; Maven checks what it fetches."""
    pins = hashlib.sha256(POM.read_bytes() + versions.LOG4J.encode()).hexdigest()[:10]
    folder = paths.cache / "jars" / f"kafka-{versions.KAFKA}-{pins}"
    if folder.is_dir():
        return folder
    _need(steps, "mvn", ("maven", "openjdk-17-jdk-headless"))
    scratch = folder.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.parent.mkdir(parents=True, exist_ok=True)
    given = [f"-Dkafka.version={versions.KAFKA}", f"-Dlog4j.version={versions.LOG4J}", f"-DoutputDirectory={scratch}"]
    command: list[str | Path] = [
        "mvn",
        "--batch-mode",
        "--no-transfer-progress",
        "-f",
        POM,
        *given,
        "dependency:copy-dependencies",
    ]
    MAVEN.run(steps, "Jars of Kafka", command)
    scratch.replace(folder)
    return folder


def javac(steps: Steps, sources: Sequence[Path], jars: Path, into: Path) -> None:
    """Compile `sources` for Java 17 against `jars`."""
    _need(steps, "javac", ("openjdk-17-jdk-headless",))
    steps.run("Compile Java", ["javac", "--release", "17", "-d", into, "-cp", f"{jars}/*", *sources])
