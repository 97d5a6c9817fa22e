"""The jars of an image from Maven Central, once per version, and the Java compiler; a JDK and Maven come from Debian."""

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

GIVEN = {  # image -> the versions that its pom.xml leaves open
    "kafka": {"kafka.version": versions.KAFKA, "log4j.version": versions.LOG4J},
    "camunda": {"operaton.version": versions.OPERATON, "spring-boot.version": versions.SPRING_BOOT},
}
MAVEN = Registry("Maven's repository", "check ~/.m2/settings.xml")


def pins(image: str) -> str:
    """The versions that pom.xml is given, in one line."""
    return " ".join(GIVEN[image].values())


def jars(image: str, paths: Paths, steps: Steps) -> Path:
    """The folder with the jars that `image`'s pom.xml names and all they need; Maven checks what it fetches."""
    pom = ROOT / "charts" / image / "image/pom.xml"
    key = hashlib.sha256(pom.read_bytes() + pins(image).encode()).hexdigest()[:10]
    folder = paths.cache / "jars" / f"{image}-{key}"
    if folder.is_dir():
        return folder
    java.ensure(steps)
    scratch = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.parent.mkdir(parents=True, exist_ok=True)
    given = [f"-D{name}={version}" for name, version in GIVEN[image].items()]
    command: list[str | Path] = ["mvn", "--batch-mode", "--no-transfer-progress", "-f", pom, *given]
    MAVEN.run(steps, f"Jars of {image}", [*command, f"-DoutputDirectory={scratch}", "dependency:copy-dependencies"])
    scratch.replace(folder)
    return folder


def javac(steps: Steps, sources: Sequence[Path], jars: Path, into: Path) -> None:
    """Compile `sources` against `jars`, for the Java that the images have."""
    java.ensure(steps)
    steps.run("Compile Java", ["javac", "--release", str(versions.JDK), "-d", into, "-cp", f"{jars}/*", *sources])
