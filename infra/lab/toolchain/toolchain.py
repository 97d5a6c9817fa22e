"""Makes the parts of the toolchain that are missing, and says what there is."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event, Lock

from infra.lab.console import Steps, console
from infra.lab.errors import LabError, UserError, last_line
from infra.lab.paths import ROOT, Paths
from infra.lab.toolchain import golang, host, java, parts
from infra.lab.toolchain.official import Publishers
from infra.lab.toolchain.parts import PARTS, Check, Part
from infra.lab.toolchain.store import Marker, Origin, Source, Store
from infra.lab.toolchain.workshop import Workshop

CHECK_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class PartInfo:
    """One line of the table of parts."""

    part: str
    version: str
    origin: Origin | None
    sha256: str
    seconds: float
    fault: str | None


class Toolchain:
    """The parts of this checkout in one cache. Making one touches nothing."""

    def __init__(
        self, paths: Paths, steps: Steps, *, known: Sequence[Part] = PARTS, publishers: Publishers | None = None
    ) -> None:
        """`paths` says where the cache is, `steps` shows the work; `known` is the table of parts."""
        self.paths = paths
        self.steps = steps
        self.known = tuple(known)
        self.store = Store(paths.cache, paths.bin)
        self._publishers = publishers or Publishers()
        self._stop = Event()
        self._linking = Lock()

    @cached_property
    def _keys(self) -> dict[str, str]:
        return {part.name: part.key for part in self.known}

    @property
    def debian_root(self) -> Path:
        """Where Debian's packages are unpacked."""
        return self.store.folder(self._keys[parts.DEBIAN.name]) / "root"

    @property
    def cni_dir(self) -> Path:
        """The folder of the CNI plugins."""
        return self.debian_root / "usr" / "lib" / "cni"

    def env(self) -> dict[str, str]:
        """The variables to lay over `os.environ` so that the toolchain's programs are found first."""
        here = [str(self.paths.bin), str(ROOT / ".venv" / "bin")]
        others = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder not in here]
        return {"PATH": os.pathsep.join(here + others)}

    def missing(self, *names: str) -> list[str]:
        """Which parts, or which of `names`, aren't there or aren't what they were when they were made."""
        return [part.name for part in self.known if (not names or part.name in names) and self.store.fault(self._keys[part.name])]

    def describe(self) -> list[PartInfo]:
        """The table of parts; `sources` has the archives behind each."""
        return [self._info(part) for part in self.known]

    def _info(self, part: Part) -> PartInfo:
        key = self._keys[part.name]
        marker = Marker.read(self.store.folder(key))
        fault = self.store.fault(key)
        if marker is None:
            return PartInfo(part.name, part.version, None, "", 0.0, fault)
        return PartInfo(part.name, part.version, marker.origin, marker.sha256, marker.seconds, fault)

    def sources(self) -> dict[str, tuple[Source, ...]]:
        """Part -> the archives it was made from, with versions and hashes; parts that are missing have none."""
        markers = {name: Marker.read(self.store.folder(key)) for name, key in self._keys.items()}
        return {name: marker.sources if marker else () for name, marker in markers.items()}

    def verify(self) -> list[str]:
        """Read every file again; returns those that aren't what was recorded."""
        return [file for key in self._keys.values() for file in self.store.verify(key)]

    def folders(self) -> list[Path]:
        """The folders of the parts that are there: what a bundle takes along."""
        return [self.store.folder(key) for key in self._keys.values() if not self.store.fault(key)]

    def adopt(self, unpacked: Path) -> list[str]:
        """Take over, from a folder that holds a bundle's parts, those that are missing here; returns their names.

        A machine that the parts don't run on takes none: their names would hide its own programs.

        Raises:
            LabError: a part isn't what its marker says; nothing of it is used.
        """
        taken: list[str] = []
        if not host.fits():
            return taken
        with self.store.lock():
            for part, _ in self._faults(self.known):
                key = self._keys[part.name]
                if (unpacked / key).is_dir():
                    self.store.adopt(key, unpacked / key)
                    taken.append(part.name)
        self._link()
        return taken

    def ensure_java(self) -> None:
        """Make a JDK and Maven callable; only what builds Java images needs them.

        Raises:
            LabError: Debian's packages could not be installed.
        """
        java.ensure(self.steps)

    def ensure(self, *names: str) -> None:
        """Make every missing part, or those of `names`, and the links in `paths.bin`.

        Raises:
            UserError: there is no such part, or the machine can't carry it: wrong system, no disk space.
            LabError: a part could not be made; names the step, the command, the log and what to do.
        """
        for name in names:
            if name not in self._keys:
                raise UserError(f"there is no part '{name}': the toolchain has {', '.join(self._keys)}.")
        wanted = [part for part in self.known if not names or part.name in names]
        if self._faults(wanted):
            host.check_fits()
            with self.store.lock():
                # Another process may have made them while this one waited.
                if faults := self._faults(wanted):
                    self._make(faults)
                    self._prune(wanted)
        elif golang.go_folder(self.paths.cache).is_dir() and not golang.kept():
            with self.store.lock():  # nobody is building; a run that was killed after its last part left them
                self._prune(wanted)
        self._link()

    def _faults(self, wanted: Sequence[Part]) -> list[tuple[Part, str]]:
        faults = ((part, self.store.fault(self._keys[part.name])) for part in wanted)
        return [(part, fault) for part, fault in faults if fault]

    def _link(self) -> None:
        with self._linking:
            self.store.link([key for key in self._keys.values() if not self.store.fault(key)])

    def _make(self, faults: Sequence[tuple[Part, str]]) -> None:
        for part, fault in faults:
            if self.store.folder(self._keys[part.name]).exists():
                console.print(f"  {part.name} in the cache can't be used ({fault}): it is made again")
        lanes = [[part for part, _ in faults if part.lane == lane] for lane in ("download", "build")]
        _check_disk(self.paths.cache, sum(part.disk_gb for part, _ in faults))
        self._stop.clear()
        with ThreadPoolExecutor(len(lanes)) as pool:
            running = [pool.submit(self._lane, lane) for lane in lanes]
        for lane in running:
            lane.result()

    def _lane(self, lane: Sequence[Part]) -> None:
        for part in lane:
            if self._stop.is_set():
                return
            try:
                self._make_part(part)
            except BaseException:
                # What the other lane is at is finished, so that the next run finds it.
                self._stop.set()
                raise
            self._link()

    def _make_part(self, part: Part) -> None:
        started = time.monotonic()
        key = part.key
        step = f"Toolchain: {part.name} {part.version}"
        with self.steps.step(step):
            scratch = self.store.scratch(key)
            sources = self._publishers.make(part.official, scratch)
            origin: Origin = "official" if sources is not None else "package"
            if sources is None:
                scratch = self.store.scratch(key)
                work = Workshop(self.paths, self.steps, step, self._go)
                sources = tuple(source for recipe in part.recipes for source in recipe.make(scratch, work))
            for program, check in part.checks.items():
                _run_check(scratch / "bin" / program, check)
            seconds = round(time.monotonic() - started, 1)
            self.store.finish(key, scratch, Marker(part.name, part.version, origin, seconds, sources))

    def _go(self) -> Path:
        host = golang.host_go()
        if host:
            return host
        key = parts.GO.key
        if self.store.fault(key):
            self._make_part(parts.GO)
        return self.store.folder(key) / "bin" / "go"

    def _prune(self, wanted: Sequence[Part]) -> None:
        folder = golang.go_folder(self.paths.cache)
        if not folder.is_dir():
            return
        if golang.kept():
            console.print(f"  Go's caches in {folder} take {golang.size_gb(folder):.1f} GB and are kept ({golang.KEEP_CACHE}=1)")
        elif not self._faults(wanted):
            freed = golang.prune(self.paths.cache)
            console.print(f"  Go's caches took {freed:.1f} GB and are removed ({golang.KEEP_CACHE}=1 keeps them)")


def _run_check(program: Path, check: Check) -> None:
    command = [str(program), *check.arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=CHECK_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise LabError(f"{program.name} was made but does not run: {failed}; run ./lab up again.") from failed
    if done.returncode != check.exit_code:
        last = last_line(done.stderr or done.stdout, "no output")
        raise LabError(f"{program.name} was made but does not run: {' '.join(command)} says: {last}")


def _check_disk(cache: Path, need_gb: float) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(cache).free / 1e9
    if free_gb < need_gb:
        raise UserError(
            f"{cache} has {free_gb:.1f} GB free, making the toolchain needs {need_gb:.1f}: make room, or set IOTLAB_CACHE."
        )
