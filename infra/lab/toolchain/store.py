"""Where the toolchain's parts lie in the cache: one folder per part, its marker written last.

A part is made in a scratch folder and moved into place when its marker is complete. So a killed build leaves nothing
that looks finished, and a file that was changed or lost afterwards no longer fits what the marker says.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from infra.lab.console import console
from infra.lab.errors import LabError

Origin = Literal["official", "package", "bundle"]

MARKER = "part.json"
SCRATCH = ".making-"
LOCK = "toolchain.lock"


@dataclass(frozen=True, slots=True)
class Source:
    """An archive that a part was made from."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What a file must be: all three are checked by `Store.verify`, size and time by `Store.fault`."""

    sha256: str
    size: int
    mtime_s: int


@dataclass(frozen=True, slots=True)
class Marker:
    """What stands in a finished part's folder."""

    part: str
    version: str
    origin: Origin
    seconds: float
    sources: tuple[Source, ...] = ()
    files: dict[str, FileRecord] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> dict[str, str]:
        """Path -> hash of the file, or target of the link, that must stand there."""
        return {name: record.sha256 for name, record in self.files.items()} | {
            name: f"-> {target}" for name, target in self.links.items()
        }

    @property
    def sha256(self) -> str:
        """One hash over the part: of the sorted lines `hash  path`."""
        lines = (f"{hashed}  {name}\n" for name, hashed in sorted(self.content.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @classmethod
    def read(cls, folder: Path) -> Marker | None:
        """The marker in `folder`; None if there is none that can be read."""
        try:
            loaded = json.loads((folder / MARKER).read_text())
            loaded["sources"] = tuple(Source(**source) for source in loaded["sources"])
            loaded["files"] = {name: FileRecord(**record) for name, record in loaded["files"].items()}
            return cls(**loaded)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write(self, folder: Path) -> None:
        """Write it so that it is either whole or not there."""
        scratch = folder / f"{MARKER}.new"
        with scratch.open("w") as output:
            json.dump(asdict(self), output, indent=1, sort_keys=True)
            output.flush()
            os.fsync(output.fileno())
        scratch.replace(folder / MARKER)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def recorded(folder: Path, marker: Marker) -> Marker:
    """`marker` with a record of every file and link that lies under `folder` now, the marker excepted."""
    files, links = {}, {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            links[name] = str(path.readlink())
        elif path.is_file() and name != MARKER:
            stat = path.stat()
            files[name] = FileRecord(sha256_of(path), stat.st_size, int(stat.st_mtime))
    return replace(marker, files=files, links=links)


def differences(folder: Path) -> list[str]:
    """Every path under `folder` that isn't what its marker says. Reads all files."""
    marker = Marker.read(folder)
    if marker is None:
        return [f"{folder} has no marker"]
    return [str(folder / name) for name in _unlike(marker, recorded(folder, marker))]


def _unlike(one: Marker, other: Marker) -> list[str]:
    return sorted({name for name, _ in one.content.items() ^ other.content.items()})


class Store:
    """The folders of all parts, and the links by which their programs are called."""

    def __init__(self, cache: Path, programs: Path) -> None:
        """`cache` holds everything that can be made again; `programs` is the folder for PATH."""
        self.cache = cache
        self.parts = cache / "parts"
        self.programs = programs

    def folder(self, key: str) -> Path:
        """The folder of the finished part `key`."""
        return self.parts / key

    def fault(self, key: str) -> str | None:
        """Why the part `key` can't be used, or None. Looks at sizes and times only."""
        folder = self.folder(key)
        if not folder.is_dir():
            return "not made yet"
        marker = Marker.read(folder)
        if marker is None:
            return "half-built: it has no marker"
        for name, record in marker.files.items():
            try:
                stat = (folder / name).stat()
            except OSError:
                return f"{name} is gone"
            if (stat.st_size, int(stat.st_mtime)) != (record.size, record.mtime_s):
                return f"{name} was changed"
        for name, target in marker.links.items():
            link = folder / name
            if not link.is_symlink() or str(link.readlink()) != target:
                return f"{name} does not point to {target}"
        return None

    def verify(self, key: str) -> list[str]:
        """Every path of the part `key` where something else stands than was recorded, or nothing, or too much."""
        return differences(self.folder(key))

    def scratch(self, key: str) -> Path:
        """An empty folder to make the part `key` in. Remains of killed builds go first.

        The folder is this process's own: the compiler of a build that was killed may live on, and must not write here.
        """
        self.parts.mkdir(parents=True, exist_ok=True)
        for remains in self.parts.glob(f"{SCRATCH}{key}-*"):
            shutil.rmtree(remains, ignore_errors=True)
        folder = self.parts / f"{SCRATCH}{key}-{os.getpid()}"
        folder.mkdir()
        return folder

    def finish(self, key: str, made: Path, marker: Marker) -> None:
        """Record what lies in `made`, write the marker and move the folder into place."""
        self._place(key, made, recorded(made, marker))

    def _place(self, key: str, made: Path, marker: Marker) -> None:
        marker.write(made)
        final = self.folder(key)
        shutil.rmtree(final, ignore_errors=True)
        made.replace(final)

    def adopt(self, key: str, unpacked: Path) -> None:
        """Take over the part `key` from a folder that a bundle was unpacked to; it must be on the cache's disk.

        Raises:
            LabError: it isn't what its marker says.
        """
        marker = Marker.read(unpacked)
        if marker is None:
            raise LabError(f"the bundle's part {key} has no marker: fetch the bundle again.")
        there = recorded(unpacked, marker)  # once: reading all takes an emulated machine half a minute (2026-11)
        if wrong := _unlike(marker, there):
            raise LabError(f"the bundle's part {key} is damaged ({unpacked / wrong[0]}): fetch the bundle again.")
        self.parts.mkdir(parents=True, exist_ok=True)
        self._place(key, unpacked, replace(there, origin="bundle"))

    def link(self, keys: Sequence[str]) -> None:
        """Make exactly the programs of the parts `keys` callable by name; links of other parts go."""
        self.programs.mkdir(parents=True, exist_ok=True)
        wanted = {
            program.name: os.path.relpath(program, self.programs)
            for key in keys
            for program in sorted((self.folder(key) / "bin").iterdir())
        }
        for old in self.programs.iterdir():
            if old.is_symlink() and old.name not in wanted:
                old.unlink()
        for name, target in wanted.items():
            link = self.programs / name
            if link.is_symlink() and str(link.readlink()) == target:
                continue
            fresh = self.programs / f".{name}.new"
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(target)
            fresh.replace(link)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the cache for this process; another that builds is waited for, and named."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / LOCK).open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                owner = lock.read().strip() or "another process"
                console.print(f"Waiting for {owner}, which builds the toolchain in {self.cache}.")
                fcntl.flock(lock, fcntl.LOCK_EX)
            lock.seek(0)
            lock.truncate()
            lock.write(f"process {os.getpid()}")
            lock.flush()
            yield
