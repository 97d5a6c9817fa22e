"""Kafka's jars from Maven Central, once per version, and the Java compiler; a JDK and Maven come from Debian."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from infra import versions
from infra.lab.console import Steps
from infra.lab.paths import ROOT, Paths
from infra.lab.toolchain import java
from infra.lab.toolchain.registry import Registry

POM = ROOT / "charts/kafka/image/pom.xml"
MAVEN = Registry("Maven's repository", "check ~/.m2/settings.xml")


def kafka_jars(paths: Paths, steps: Steps) -> Path:
    """The folder with Kafka's jars and all they need; Maven checks what it fetches."""
    pins = hashlib.sha256(POM.read_bytes() + versions.LOG4J.encode()).hexdigest()[:10]
    folder = paths.cache / "jars" / f"kafka-{versions.KAFKA}-{pins}"
    if folder.is_dir():
        return folder
    java.ensure(steps)
    scratch = folder.with_name(f"{folder.name}.new")
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
    """Compile `sources` against `jars`, for the Java that the images have."""
    java.ensure(steps)
    steps.run("Compile Java", ["javac", "--release", str(versions.JDK), "-d", into, "-cp", f"{jars}/*", *sources])
