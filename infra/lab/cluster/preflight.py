"""Asks the machine for what the cluster needs before anything is started; each refusal is one sentence."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from infra.lab.cluster.forward import Forward
from infra.lab.cluster.layout import Binaries, Folders
from infra.lab.errors import UserError

FREE_DISK_GB = 5  # images twice (as packed and as unpacked), etcd, logs; volumes come on top and are checked by scale
OPEN_FILES = 8_192  # each part with a hundred pods stays below 2,000; a forwarded connection takes 2
ALONE = ("unshare", "--pid", "--fork", "--mount", "--net", "--uts", "--ipc", "--kill-child", "--mount-proc")
PROGRAMS = ("ip", "mount", "umount", "unshare", "nsenter", "setpriv")
RULES = """*nat
-A POSTROUTING -m comment --comment probe -m mark --mark 0x1/0x1 -j MASQUERADE --random-fully
-A PREROUTING -p tcp -m statistic --mode random --probability 0.5 -m addrtype --dst-type LOCAL -j DNAT --to-destination 127.0.0.1
COMMIT
*filter
-A FORWARD -m conntrack --ctstate NEW -j REJECT
COMMIT
*mangle
-A PREROUTING -j MARK --set-xmark 0x1/0x1
COMMIT
"""


def _root() -> None:
    if os.geteuid() != 0:
        raise UserError("the embedded cluster needs root (namespaces, mounts, cgroups); run the command with sudo.")


def _programs(names: Sequence[str] = PROGRAMS) -> None:
    if missing := [name for name in names if shutil.which(name) is None]:
        raise UserError(
            f"the programs {', '.join(missing)} are missing on this machine; install the packages util-linux and iproute2."
        )


def _space(folder: Path) -> None:
    free_gb = shutil.disk_usage(folder).free / 2**30
    if free_gb < FREE_DISK_GB:
        raise UserError(
            f"only {free_gb:.1f} GB are free for {folder}, the cluster needs {FREE_DISK_GB} GB; free some, or set IOTLAB_STATE."
        )


def _open_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < OPEN_FILES:
        raise UserError(
            f"this session may open {most} files, the cluster needs {OPEN_FILES}; raise the limit (ulimit -Hn {OPEN_FILES})."
        )


def _holder(port: int) -> str:
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port and connection.pid:
            return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return "another program"


def check_ports(forwards: Sequence[Forward]) -> None:
    """Check that nobody listens where the cluster will.

    Raises:
        UserError: names the port and who has it.
    """
    for forward in forwards:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((forward.listen, forward.port))
            except OSError as refused:
                if refused.errno != errno.EADDRINUSE:
                    raise
                raise UserError(
                    f"port {forward.port} on {forward.listen} is in use by {_holder(forward.port)}; end it and start again."
                ) from None


def _try(words: Sequence[str], what: str, stdin: str = "") -> None:
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(
            f"this machine's kernel doesn't allow {what} ({said}); the embedded cluster can't run here, use a kubeconfig instead."
        )


def _namespaces() -> None:
    _try([*ALONE, "true"], "own namespaces")


def _kernel(binaries: Binaries, folders: Folders) -> None:
    _namespaces()
    _try([*ALONE, "ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"], "network links of type veth")
    _try([*ALONE, str(binaries.bin / "iptables-restore")], "the firewall rules of services (iptables)", RULES)
    with tempfile.TemporaryDirectory(dir=folders.home / "containerd") as scratch:
        layers = {name: Path(scratch, name) for name in ("lower", "upper", "work", "merged")}
        for layer in layers.values():
            layer.mkdir()
        options = f"lowerdir={layers['lower']},upperdir={layers['upper']},workdir={layers['work']}"
        words = [*ALONE, "mount", "-t", "overlay", "overlay", "-o", options, str(layers["merged"])]
        _try(words, f"overlay mounts in {folders.home}")


def check(binaries: Binaries, folders: Folders, forwards: Sequence[Forward]) -> None:
    """Check everything; the folders exist already.

    Raises:
        UserError: names the first thing that is missing.
    """
    _root()
    _programs()
    _open_files()
    _space(folders.home)
    check_ports(forwards)
    _kernel(binaries, folders)


def check_early(forwards: Sequence[Forward]) -> None:
    """Check what needs neither folders nor toolchain, which brings a program `ip` of its own.

    Raises:
        UserError: names the first thing that is missing.
    """
    _root()
    _programs([name for name in PROGRAMS if name != "ip"])
    _open_files()
    check_ports(forwards)
    _namespaces()
