"""Parts built from the Go module proxy. Each has a small module in `go/` whose go.mod and go.sum pin every line of code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from infra import versions
from infra.lab.errors import LabError
from infra.lab.toolchain.registry import Registry
from infra.lab.toolchain.store import Source, sha256_of
from infra.lab.toolchain.workshop import Workshop

GO_PROXY = Registry("the Go module proxy", "check what `go env GOPROXY` names and the proxy setting of this shell")
MODULES = Path(__file__).parent / "go"
MODULE_FILES = ("go.mod", "go.sum", "main.go", "tools.go")
KEEP_CACHE = "IOTLAB_KEEP_GO_CACHE"


def go_folder(cache: Path) -> Path:
    """Where Go keeps what it fetched and compiled while the toolchain is built."""
    return cache / "go"


def go_env(cache: Path) -> dict[str, str]:
    """Every variable that could change a build, set: a machine may have any of them."""
    folder = go_folder(cache)
    return os.environ | {
        "GOCACHE": str(folder / "build"),
        "GOMODCACHE": str(folder / "modules"),
        "GOPATH": str(folder / "path"),
        # Not empty: then the machine's `go env -w GOFLAGS=…` would count. readonly: the checkout never changes.
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOOS": "linux",
        "GOARCH": "amd64",
        "GOAMD64": "v1",
        "CGO_ENABLED": "0",
    }


def go_version(program: Path | str) -> tuple[int, ...]:
    """The version of a `go`, (0,) if there is none."""
    try:
        done = subprocess.run(
            [program, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": ""},
        )
    except OSError:
        return (0,)
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", done.stdout)
    return tuple(int(number or 0) for number in found.groups()) if found else (0,)


def host_go() -> Path | None:
    """The machine's Go if it is new enough for the modules."""
    program = shutil.which("go")
    needed = tuple(int(number) for number in versions.GO.split("."))
    return Path(program) if program and go_version(program) >= needed else None


@dataclass(frozen=True, slots=True)
class GoProgram:
    """Builds `package` of the module `go/<module>` to `bin/<output>`, with links by all `names`.

    `copies` are scripts out of a module the build fetched anyway: (module, path in it).
    """

    module: str
    output: str
    package: str = "."
    ldflags: str = ""
    names: tuple[str, ...] = ()
    copies: tuple[tuple[str, str], ...] = ()

    def fingerprint(self) -> str:
        """Every pinned line and every flag."""
        files = [MODULES / self.module / name for name in MODULE_FILES]
        hashes = [f"{path.name} {sha256_of(path)}" for path in files if path.is_file()]
        return repr((hashes, self.output, self.package, self.ldflags, self.names, self.copies))

    def make(self, into: Path, work: Workshop) -> tuple[Source, ...]:
        """Build, link and copy into `into/bin`."""
        folder = MODULES / self.module
        target = into / "bin"
        target.mkdir(exist_ok=True)
        go = work.go()
        env = go_env(work.paths.cache)
        name = f"Build {self.output}"
        build: list[str | Path] = [go, "build", "-v", "-ldflags", f"-s -w {self.ldflags}".strip(), "-o", target / self.output]
        with work.following(work.steps.log_file(name)):
            GO_PROXY.run(work.steps, name, [*build, self.package], cwd=folder, env=env)
        for other in self.names:
            (target / other).symlink_to(self.output)
        for module, path in self.copies:
            locate: list[str | Path] = [go, "list", "-m", "-f", "{{.Dir}}", module]
            log = work.steps.run(f"Find {Path(path).name}", locate, cwd=folder, env=env)
            found = Path(log.read_text().splitlines()[-1])
            shutil.copyfile(found / path, target / Path(path).name).chmod(0o755)
        pins = folder / "go.sum"
        return (Source(f"go/{self.module}", versions.LAB, sha256_of(pins)),) if pins.is_file() else ()


def size_gb(folder: Path) -> float:
    """What a folder takes on the disk, in GB."""
    blocks = sum(path.lstat().st_blocks for path in folder.rglob("*")) if folder.is_dir() else 0
    return blocks * 512 / 1e9


def kept() -> bool:
    """Whether who builds often wants Go's caches to stay."""
    return os.environ.get(KEEP_CACHE) == "1"


def prune(cache: Path) -> float:
    """Remove what Go fetched and compiled; returns the GB that came free.

    Raises:
        LabError: something could not be removed.
    """
    folder = go_folder(cache)
    taken = size_gb(folder)
    if not folder.is_dir():
        return 0.0
    # Go's module cache is read-only, where rmtree stops; there may be no Go any more that could run `go clean`.
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise LabError(f"{folder} could not be removed; delete it by hand.")
    return taken
