"""What the machine itself brings: whether the toolchain's parts run on it, and, where not, the programs on its PATH."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass

from infra import versions
from infra.lab.errors import UserError

ANSWER_WITHIN_S = 20
Version = tuple[int, int]


def _minor(version: str) -> Version:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _skewed(version: str) -> Version:
    """One minor version below: kubectl and an API server may be that far apart."""
    major, minor = _minor(version)
    return major, minor - 1


@dataclass(frozen=True, slots=True)
class Program:
    """A program that a given cluster is filled with, how it tells its version, and the oldest that fits."""

    name: str
    asked: tuple[str, ...]
    oldest: Version


PROGRAMS = (
    Program("pulumi", ("version",), _minor(versions.PULUMI)),
    Program("kubectl", ("version", "--client"), _skewed(versions.KUBERNETES)),
    Program("helm", ("version", "--short"), (3, 0)),
)


def fits() -> bool:
    """Whether this is what the toolchain is made for."""
    return (platform.system(), platform.machine()) == ("Linux", "x86_64")


def check_fits() -> None:
    """Refuse another system.

    Raises:
        UserError: what it is, and what to do.
    """
    if not fits():
        raise UserError(
            f"the toolchain is made for Linux on x86_64, this is {platform.system()} on {platform.machine()}: "
            "use such a machine or VM, or a cluster you have (iotlab:kubeconfig in the stack's file)."
        )


def check_programs(path: str | None = None, *names: str) -> None:
    """See that this machine's own programs serve, or those of `names`, where the toolchain can't be made.

    Raises:
        UserError: what is missing or too old, and how to get it.
    """
    needed = [program for program in PROGRAMS if not names or program.name in names]
    wrong = [fault for program in needed if (fault := _fault(program, path))]
    if wrong:
        wanted = ", ".join(f"{program.name} {program.oldest[0]}.{program.oldest[1]} or newer" for program in needed)
        how = (
            "brew install pulumi kubernetes-cli helm"
            if platform.system() == "Darwin"
            else "see pulumi.com, kubernetes.io, helm.sh"
        )
        raise UserError(
            f"{'; '.join(wrong)}. The lab makes its own toolchain for Linux on x86_64 only; on {platform.system()} "
            f"({platform.machine()}) it uses yours: {wanted} ({how})."
        )


def _fault(program: Program, path: str | None) -> str | None:
    found = shutil.which(program.name, path=path or os.environ.get("PATH"))
    if not found:
        return f"{program.name} is missing"
    try:
        done = subprocess.run([found, *program.asked], capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as failed:
        return f"{program.name} does not run ({failed})"
    version = re.search(r"v(\d+)\.(\d+)\.", done.stdout)
    if not version or done.returncode:
        return f"{program.name} does not tell its version"
    have = (int(version.group(1)), int(version.group(2)))
    return f"{program.name} {have[0]}.{have[1]} is too old" if have < program.oldest else None
