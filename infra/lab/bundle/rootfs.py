"""The tree all images stand on: Debian's essential packages, trimmed, with no trace of the machine that made it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from infra import versions
from infra.lab.console import Steps
from infra.lab.errors import UserError
from infra.lab.paths import Paths
from infra.lab.toolchain.debian import APT

EPOCH_S = 1767225600  # 2026-01-01: the time of every file, so that the same content is the same layer
# What is mounted or started inside is gone with the process, and the process with the lab, however that ends.
ALONE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
USER = "iotlab:x:65532:65532:pods:/tmp:/bin/bash\n"
GROUP = "iotlab:x:65532:\n"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# usr-is-merged says what usrmerge would have to do; with the latter goes all of Perl beyond perl-base (48 MB).
NOT_NEEDED = (
    "usrmerge libfile-find-rule-perl libtext-glob-perl libnumber-compare-perl "
    "perl libperl5.36 perl-modules-5.36 libgdbm-compat4 libgdbm6"
)
MERGED = 'mkdir -p "$1/usr"; for d in bin sbin lib lib64; do mkdir "$1/usr/$d"; ln -s "usr/$d" "$1/$d"; done'
DPKG = """path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/lintian/*
path-exclude=/usr/lib/x86_64-linux-gnu/gconv/*
"""
TRIMMED = ("usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "usr/lib/x86_64-linux-gnu/gconv")
OF_THE_HOST = (
    "dev",
    "etc/apt",
    "var/lib/apt",
    "var/cache",
    "var/log",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/machine-id",
    "etc/dpkg/dpkg.cfg",
)


def sources() -> list[str]:
    """Debian's own archives among this machine's apt sources, as one-line entries.

    Raises:
        UserError: there are none of the release that the images are made of.
    """
    form = "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(SITE) $(RELEASE)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = set()
    for line in told.splitlines():
        origin, codename, component, place = line.split("|")
        if origin == "Debian" and codename.startswith(versions.DEBIAN) and component == "main":
            found.add(f"deb [signed-by={KEYRING}] {place} main")
    if not found:
        raise UserError(
            f"apt has no source of Debian {versions.DEBIAN} to make the images from; "
            "run on Debian 12 after apt-get update, or use ./lab up --bundle FILE."
        )
    return sorted(found)


def _acquire_options() -> list[str]:
    """How this machine's apt fetches (proxy, limits), for mmdebstrap's own apt."""
    told = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False).stdout
    lines = [line for line in told.splitlines() if line.startswith("Acquire::") and ' ""' not in line]
    return [f"--aptopt={line.rstrip(';')}" for line in lines]


def make_rootfs(paths: Paths, steps: Steps, into: Path) -> None:
    """Make the tree in `into`."""
    command = [*ALONE, "mmdebstrap", "--mode=root", "--format=directory", "--variant=essential", "--include=usr-is-merged"]
    command += [*_acquire_options(), f"--setup-hook={MERGED}"]
    command += [f'--customize-hook=chroot "$1" dpkg --purge {NOT_NEEDED}', versions.DEBIAN, str(into)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH_S), "PATH": f"{paths.bin}:{os.environ['PATH']}", "LC_ALL": "C"}
    APT.run(steps, "Debian base", [*command, *sources()], env=environment)
    _trim(into)


def _trim(tree: Path) -> None:
    for name in (*TRIMMED, *OF_THE_HOST):
        path = tree / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for document in (tree / "usr/share/doc").glob("*/*"):
        if document.name != "copyright":
            shutil.rmtree(document) if document.is_dir() and not document.is_symlink() else document.unlink()
    for folder in ("dev", "var/cache", "var/log", "usr/share/man/man1"):  # Java's packages write links into the last
        (tree / folder).mkdir(parents=True)
    (tree / "etc/dpkg/dpkg.cfg.d/iotlab").write_text(DPKG)
    for file, line in (("etc/passwd", USER), ("etc/group", GROUP)):
        with (tree / file).open("a") as accounts:
            accounts.write(line)
    for backup in [*tree.glob("etc/*-"), *tree.glob("var/lib/dpkg/*-old")]:
        backup.unlink()
