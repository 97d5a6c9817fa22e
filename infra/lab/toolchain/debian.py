"""Parts from Debian's archive: fetched with apt's verified signatures and unpacked into the cache, never installed.

Installing would start servers and take ports (containerd, mosquitto). The programs run from where they are unpacked,
by small scripts that point them to the libraries unpacked beside them.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infra.lab.errors import LabError, UserError
from infra.lab.toolchain.registry import Registry
from infra.lab.toolchain.store import Source, sha256_of
from infra.lab.toolchain.workshop import Workshop

APT = Registry(
    "Debian's archive",
    "check /etc/apt/sources.list.d and apt's proxy setting (`apt-config dump Acquire::http::Proxy`)",
)
LISTS = Path("/var/lib/apt/lists")
LISTS_FRESH_S = 24 * 3600.0
SIGNED = ("-o", "APT::Get::AllowUnauthenticated=false", "-o", "Acquire::AllowInsecureRepositories=false")
APT_OPTIONS = ("-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30", *SIGNED)

# Dependencies that the programs don't use here: a maintainer script's, a signature check's (our images are our own), or
# what apt itself needs and so every Debian machine has.
NOT_NEEDED = frozenset(
    {
        *("adduser", "debconf", "init-system-helpers", "lsb-base", "media-types", "netbase", "readline-common", "usrmerge"),
        *("dmsetup", "dpkg", "gnupg", "gpg", "gpgconf", "libcap2-bin", "perl-base", "python3", "tar", "uidmap"),
    }
)
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/bash-completion", "usr/share/lintian")


def wrapper(program: str, settings: str = "", arguments: str = "") -> str:
    """The script that runs `program` (a path under the unpacked root) with its libraries, wherever the cache lies."""
    return (
        "#!/bin/sh\n"
        'self=$(readlink -f "$0")\n'
        "part=${self%/bin/*}\n"
        "root=$part/root\n"
        'libraries="$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu"\n'
        'export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"\n'
        f"{settings}"
        f'exec "$root/{program}"{arguments} "$@"\n'
    )


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A program of Debian's and how it is called."""

    path: str
    settings: str = ""
    arguments: str = ""

    def script(self) -> str:
        """The text of its wrapper."""
        return wrapper(self.path, self.settings, self.arguments)


@dataclass(frozen=True, slots=True)
class DebianPackages:
    """Unpacks `packages` with what they depend on, and writes a script for each of `programs`."""

    packages: tuple[str, ...]
    programs: dict[str, Wrapped]
    files: dict[str, str]

    def fingerprint(self) -> str:
        """What the result depends on, versions excepted: those are what apt's signed lists say on the day."""
        scripts = "".join(f"{name}\n{program.script()}" for name, program in sorted(self.programs.items()))
        return repr((self.packages, sorted(NOT_NEEDED), LEFT_OUT, scripts, sorted(self.files.items())))

    def make(self, into: Path, work: Workshop) -> tuple[Source, ...]:
        """Fetch, verify and unpack into `into/root`; scripts go to `into/bin`."""
        debs = into / "debs"
        debs.mkdir(mode=0o755)
        names = self._resolve(work)
        APT.run(work.steps, "Debian packages", ["apt-get", *APT_OPTIONS, "download", *names], cwd=debs)
        fetched = sorted(debs.glob("*.deb"))
        sources = verified(fetched)
        root = into / "root"
        root.mkdir()
        for deb in fetched:
            work.steps.run("Unpack Debian packages", ["dpkg-deb", "-x", deb, root])
        work.remove(debs, *(root / left_out for left_out in LEFT_OUT))
        self._write_scripts(into)
        return sources

    def _write_scripts(self, into: Path) -> None:
        (into / "bin").mkdir()
        for name, text in self.files.items():
            target = into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        for name, program in self.programs.items():
            script = into / "bin" / name
            script.write_text(program.script())
            script.chmod(0o755)

    def _resolve(self, work: Workshop) -> list[str]:
        if time.time() - _lists_time_s() > LISTS_FRESH_S:
            _update(work)
        try:
            return closure(self.packages)
        except LabError:
            _update(work)
            return closure(self.packages)


def _lists_time_s() -> float:
    try:
        return max(path.stat().st_mtime for path in (LISTS, LISTS / "partial"))
    except OSError:
        return 0.0


def _update(work: Workshop) -> None:
    # A third party's list that doesn't answer fails the command, and is none of our business: what counts is whether
    # the packages are known afterwards.
    with suppress(LabError):
        APT.run(work.steps, "Debian package lists", ["apt-get", *APT_OPTIONS, "update"])


def _apt(*arguments: str) -> str:
    try:
        done = subprocess.run(
            arguments, capture_output=True, text=True, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        )
    except OSError as missing:
        raise UserError(
            f"{arguments[0]} is missing: the toolchain is made from Debian's packages and needs Debian 12 or Ubuntu; "
            "elsewhere use ./lab up --bundle FILE."
        ) from missing
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LabError(f"apt does not know what the toolchain needs: {last}; try apt-get update.")
    return done.stdout


def closure(packages: tuple[str, ...]) -> list[str]:
    """`packages` and what they need beyond what every Debian machine has, sorted.

    apt resolves alternatives and virtual packages, as if nothing were installed: the answer is the same on every
    machine. Then only what the packages reach without passing through NOT_NEEDED is kept.
    """
    simulate = ("apt-get", "install", "--simulate", "--no-install-recommends", "-o", "Dir::State::status=/dev/null")
    resolved = _instances(_apt(*simulate, *packages))
    present = _instances(_apt(*simulate, "apt")) | NOT_NEEDED
    needs = parse_depends(_apt("apt-cache", "show", "--no-all-versions", *sorted(resolved)))
    reached: set[str] = set()
    ahead = list(packages)
    while ahead:
        name = ahead.pop()
        if name not in reached and name in resolved and (name in packages or name not in present):
            reached.add(name)
            ahead += needs.get(name, ())
    return sorted(reached)


def _instances(simulated: str) -> set[str]:
    return {line.split()[1].split(":")[0] for line in simulated.splitlines() if line.startswith("Inst ")}


def parse_depends(shown: str) -> dict[str, list[str]]:
    """Package -> names in its Depends and Pre-Depends, all alternatives, from the output of `apt-cache show`."""
    needs: dict[str, list[str]] = {}
    name = ""
    for line in shown.splitlines():
        key, _, value = line.partition(": ")
        if key == "Package":
            name = value.strip()
        elif key in {"Depends", "Pre-Depends"}:
            words = (re.split(r"[ (:]", wish.strip(), maxsplit=1)[0] for wish in re.split(r"[,|]", value))
            needs.setdefault(name, []).extend(word for word in words if word)
    return needs


def _source(deb: Path) -> Source:
    name, version = _apt("dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(deb)).split()
    return Source(name, version, sha256_of(deb))


def verified(debs: Sequence[Path]) -> tuple[Source, ...]:
    """Compare fetched files with what apt's signed lists say of exactly these versions.

    Raises:
        LabError: a file is not the one that the lists name.
    """
    # One call for all: apt reads its lists anew at every call, 1.1 s each (2026-11).
    sources = tuple(_source(deb) for deb in debs)
    shown = _apt("apt-cache", "show", *(f"{source.name}={source.version}" for source in sources))
    listed = set(re.findall(r"^SHA256: ([0-9a-f]{64})$", shown, flags=re.MULTILINE))
    for source in sources:
        if source.sha256 not in listed:
            raise LabError(
                f"{source.name} {source.version} is not the file that Debian's signed lists name: "
                f"its SHA-256 is {source.sha256}; run ./lab up again."
            )
    return sources
