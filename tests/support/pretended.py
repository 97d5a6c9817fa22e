"""A machine that is pretended: this one's files under a layer of its own, written as cloud-init would write them.

Its stages run for real, as root, in a root folder that is this machine's, with what they write beside it: overlayfs in
namespaces of their own, no network. Programs that would change this machine (systemctl, snap, apt-get…) only note their call.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.cloud.facts import MachineFacts
from infra.cloud.user_data import LOGIN, cloud_config
from tests.support.tools import unpacked

ENTER = """
set -eu
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/merged"
for folder in proc dev; do mount --rbind "/$folder" "$1/merged/$folder"; done
shift_root=$1/merged
shift
exec chroot "$shift_root" "$@"
"""
NOTED = '#!/bin/sh\necho "$(basename "$0") $*" >> /calls\n'
SILENCED = ("systemctl", "journalctl", "exportfs", "apt-get", "usermod", "mount")


def wireguard() -> Path:
    """The program that makes keys."""
    return unpacked("wireguard-tools", "usr/bin/wg")


class Pretended:
    """The machine. `layer` is a file system of its own: an overlay must not lie on its own lower layer."""

    def __init__(self, layer: Path) -> None:
        if os.geteuid():
            pytest.fail("a pretended machine needs root for its namespaces: run the tests as root")
        self.layer = layer
        self.files = layer / "upper"
        for folder in ("upper", "work", "merged"):
            (layer / folder).mkdir()
        for name in SILENCED:
            self.program(name, NOTED)
        self.write("var/snap/microk8s/current/args/kubelet", "--cgroup-driver=systemd\n")
        self.program("snap", NOTED + '[ "$1" != list ]\n')  # nothing is installed yet
        self.program("microk8s", NOTED + "cat > /dev/null\n")
        self.program("sudo", '#!/bin/sh\nwhile [ "$1" = -u ]; do shift 2; done\nexec "$@"\n')
        real = wireguard()
        self.program("wg", f'{NOTED}case $1 in genkey | pubkey) exec {real} "$@" ;; esac\n')
        for name, line in (("passwd", f"{LOGIN}:x:1000:1000::/home/{LOGIN}:/bin/sh\n"), ("group", f"{LOGIN}:x:1000:\n")):
            self.write(f"etc/{name}", (Path("/etc") / name).read_text() + line)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Lay a file down."""
        file = self.files / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def program(self, name: str, text: str) -> None:
        """Replace a program."""
        self.write(f"usr/local/sbin/{name}", text, 0o755)

    def told(self, facts: MachineFacts) -> None:
        """Do what cloud-init's write_files does."""
        for entry in yaml.safe_load(cloud_config(facts))["write_files"]:
            self.write(entry["path"], entry["content"], int(entry["permissions"], 8))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the machine."""
        enter = ["unshare", "--mount", "--net", "--fork", "--pid", "--kill-child", "sh", "-c", ENTER, "enter", str(self.layer)]
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        return subprocess.run([*enter, *words], env=env, capture_output=True, text=True, check=False, timeout=120)

    def stages(self) -> list[dict[str, Any]]:
        """The state of the stages."""
        found: list[dict[str, Any]] = json.loads((self.files / "var/lib/iotlab/stages.json").read_text())["stages"]
        return found

    def calls(self) -> list[str]:
        """What the replaced programs were called with since the last time."""
        file = self.files / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines
