"""What is laid beside a Containerfile before its build: a Debian tree, packages, jars, wheels, a program.

All of it is fetched on the host with the host's own clients and their settings, signatures and hashes checked; so the
builds need no network, and no address, proxy or key of this machine can get into a layer.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra import versions
from infra.lab.bundle.jars import jars, javac, pins
from infra.lab.bundle.node import TRIM, WHEEL, node, node_modules
from infra.lab.bundle.rootfs import make_rootfs
from infra.lab.console import Steps
from infra.lab.errors import LabError
from infra.lab.paths import ROOT, Paths
from infra.lab.toolchain.debian import APT, APT_OPTIONS
from infra.lab.toolchain.pypi import PYPI

PT_INTERP = 3  # the program header that names a loader
# Wheels say the C library that they need at least; Debian 12 has 2.36. TensorFlow's are for 2.27, many others for 2.17 or 2.28.
WHEEL_PLATFORMS = (*(f"manylinux_2_{minor}_x86_64" for minor in range(36, 16, -1)), "manylinux2014_x86_64")


@dataclass(frozen=True, slots=True)
class Making:
    """One build at work: the image's own folder, the context being filled, and the parent's list of Debian packages."""

    paths: Paths
    steps: Steps
    name: str
    folder: Path
    context: Path
    parent_status: Path


class Input(Protocol):
    """Something a build needs beside its own files."""

    def fingerprint(self) -> str:
        """What it depends on beyond the image's folder."""
        ...

    def prepare(self, making: Making) -> None:
        """Lay it into `making.context`."""
        ...


@dataclass(frozen=True, slots=True)
class Rootfs:
    """Debian's essential packages as a tree, `rootfs`."""

    def fingerprint(self) -> str:
        """The release."""
        return hashlib.sha256(Path(make_rootfs.__code__.co_filename).read_bytes()).hexdigest()

    def prepare(self, making: Making) -> None:
        """Let mmdebstrap make it."""
        make_rootfs(making.paths, making.steps, making.context / "rootfs")


@dataclass(frozen=True, slots=True)
class Debs:
    """The Debian packages named in the file `packages`, with what they need beyond the parent image, in `debs`."""

    def fingerprint(self) -> str:
        """The names stand in the folder; versions are today's."""
        return versions.DEBIAN

    def prepare(self, making: Making) -> None:
        """Let apt choose, fetch and verify them."""
        debs = making.context / "debs"
        (debs / "partial").mkdir(parents=True)
        names = (making.folder / "packages").read_text().split()
        options = {
            "Dir::State::status": making.parent_status,
            "Dir::State::extended_states": "/dev/null",
            "Dir::Cache::archives": debs,
            "Debug::NoLocking": "true",
            "APT::Sandbox::User": "root",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        command = ["apt-get", *APT_OPTIONS, *words, "install", "--download-only", "--yes", "--no-install-recommends", *names]
        APT.run(making.steps, f"Packages of image {making.name}", command)
        shutil.rmtree(debs / "partial")


@dataclass(frozen=True, slots=True)
class Jars:
    """The jars of pom.xml with all they need, in `jars`."""

    image: str

    def fingerprint(self) -> str:
        """The versions; the names stand in pom.xml."""
        return pins(self.image)

    def prepare(self, making: Making) -> None:
        """Let Maven fetch and verify them."""
        shutil.copytree(jars(self.image, making.paths, making.steps), making.context / "jars")


@dataclass(frozen=True, slots=True)
class Classes:
    """The Java files of the folder `java`, compiled, in `classes`."""

    image: str

    def fingerprint(self) -> str:
        """The files stand in the folder."""
        return "17"

    def prepare(self, making: Making) -> None:
        """Compile against the image's jars."""
        sources = sorted((making.folder / "java").rglob("*.java"))
        javac(making.steps, sources, jars(self.image, making.paths, making.steps), making.context / "classes")


@dataclass(frozen=True, slots=True)
class Node:
    """Node.js, in `bin`."""

    def fingerprint(self) -> str:
        """The wheel and its hash."""
        return WHEEL.fingerprint()

    def prepare(self, making: Making) -> None:
        """Copy the program alone: npm stays outside."""
        (making.context / "bin").mkdir()
        shutil.copy2(node(making.paths, making.steps) / "bin/node", making.context / "bin/node")


@dataclass(frozen=True, slots=True)
class NodeModules:
    """The npm packages of package-lock.json, in `node_modules`."""

    def fingerprint(self) -> str:
        """The pins stand in the folder."""
        return TRIM

    def prepare(self, making: Making) -> None:
        """Let npm fetch and verify them."""
        shutil.copytree(node_modules(making.paths, making.steps), making.context / "node_modules")


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the toolchain, in `bin`; it must be static, for the image has nothing that could load libraries."""

    name: str
    version: str

    def fingerprint(self) -> str:
        """The toolchain's program of this version."""
        return f"{self.name} {self.version}"

    def prepare(self, making: Making) -> None:
        """Copy it."""
        source = making.paths.bin / self.name
        if not source.exists():
            raise LabError(f"{self.name} is missing in the toolchain ({making.paths.bin}); ./lab up makes it.")
        if not is_static(source):
            raise LabError(f"{source} needs shared libraries, so it cannot run alone in the image {making.name}.")
        (making.context / "bin").mkdir(exist_ok=True)
        shutil.copy2(source.resolve(), making.context / "bin" / self.name)


def is_static(program: Path) -> bool:
    """Whether a 64-bit little-endian ELF program runs without a loader: no header of the kind PT_INTERP."""
    with program.open("rb") as file:
        head = file.read(64)
        if head[:6] != b"\x7fELF\x02\x01":
            return False
        (table,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(table)
        headers = file.read(size * count)
    return all(struct.unpack_from("<I", headers, size * index)[0] != PT_INTERP for index in range(count))


@dataclass(frozen=True, slots=True)
class Wheels:
    """The Python packages of requirements.txt, in `wheels`: ready made for Debian's Python, each hash checked."""

    def fingerprint(self) -> str:
        """The pins stand in the folder."""
        return " ".join(WHEEL_PLATFORMS)

    def prepare(self, making: Making) -> None:
        """Let pip fetch and verify them."""
        wheels = making.context / "wheels"
        platforms = [word for platform in WHEEL_PLATFORMS for word in ("--platform", platform)]
        command: list[str | Path] = [
            ROOT / ".venv/bin/python",
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
        ]
        command += ["--only-binary", ":all:", "--python-version", "3.11", *platforms]
        command += ["--dest", wheels, "--requirement", making.folder / "requirements.txt"]
        PYPI.run(making.steps, f"Wheels of image {making.name}", command)
