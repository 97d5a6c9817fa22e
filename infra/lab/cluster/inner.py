"""The first process inside the cluster's namespaces: prepares them, runs the parts, ends them in order.

Started by `outer` with pipes: it says `up` when the namespaces stand, hears `link` when the network link has been
moved in and `stop` when it shall end. When the pipe closes, the outer part is dead and everything ends at once (as
PID 1 it takes all processes along).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

from infra.lab.cluster.layout import (
    API_PORT,
    CONTAINERD_HOME,
    CONTAINERD_SOCKET,
    ETCD_HOME,
    ETCD_SOCKET,
    HOME,
    KUBELET_HOME,
    NODE,
    POD_LOGS,
    Folders,
)
from infra.lab.cluster.network import Network, raise_inner_link, run_ip
from infra.lab.cluster.parts import Part
from infra.lab.cluster.supervise import Supervisor
from infra.lab.errors import LabError

TICK_S = 0.1
LOGS_EVERY_S = 15.0
API_LIMIT_S = 5.0
PODS_END_S = 60.0  # only as long as one still runs; a slow machine's Kafka shall not have to repair its log
GARBAGE_PERCENT = "50"  # Go's 100 takes 80 MB more of 540; processor time at rest is 5 % of a core either way (2026-11)
NESTED = 2  # a container's process has a number here and one in its own namespace
HTTP_OK = 200

# Kubelet sets these for the whole machine unless they read so already: inside, it is shown those.
KUBELET_WANTS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def _mount(*words: str | Path) -> None:
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"mount {' '.join(map(str, words))} failed: {done.stderr.strip()}")


def private_folders(home: Path, keep: list[Path]) -> None:
    """Give the parts a /var and a /run of their own; the cluster folder appears as /var/lib/iotlab, `keep` stay in place."""
    _mount("--make-rprivate", "/")
    stage = home / "ns"
    _mount("-t", "tmpfs", "-o", "mode=755", "iotlab", stage)
    for made in ("var/lib", "var/tmp", "var/log", "run/lock", "run/iotlab/sysctl"):
        (stage / made).mkdir(parents=True)
    (stage / "var/run").symlink_to("/run")
    (stage / "var/lock").symlink_to("/run/lock")
    places = {HOME: home, KUBELET_HOME: home / "kubelet", CONTAINERD_HOME: home / "containerd"}
    places |= {ETCD_HOME: home / "etcd", POD_LOGS: home / "pod-logs"}
    places |= {path: path for path in keep if path.is_relative_to("/var") or path.is_relative_to("/run")}
    for seen_as, folder in places.items():
        target = stage / seen_as.relative_to("/")
        target.mkdir(parents=True, exist_ok=True)
        _mount("--bind", folder, target)
    for name in sorted(("run", "var"), key=lambda name: home.is_relative_to(Path("/", name))):  # then the stage is out of sight
        _mount("--rbind", stage / name, Path("/", name))
    _mount("--make-rshared", "/")  # only within these namespaces: pods may ask for mount propagation


def show_kubelet_its_wishes() -> None:
    """Lay files over the kernel's settings that kubelet would change for the whole machine."""
    for name, value in KUBELET_WANTS.items():
        setting = Path("/proc/sys", name)
        if setting.exists() and setting.read_text().strip() != value:
            shown = Path("/run/iotlab/sysctl") / name.replace("/", ".")
            shown.write_text(value + "\n")
            _mount("--bind", shown, setting)


def guard_machine(network: Network) -> None:
    """Pods may not open connections to this machine's own services."""
    words = ["iptables", "-w", "-I", "FORWARD", "-d", network.link, "-m", "conntrack", "--ctstate", "NEW", "-j", "REJECT"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(words)} failed: {done.stderr.strip()}")


def _socket_answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def _api_answers(network: Network) -> bool:
    pki = HOME / "pki"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    connection = HTTPSConnection(network.node, API_PORT, timeout=API_LIMIT_S, context=context)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTP_OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def answers(network: Network, what: str) -> bool:
    """Whether a thing that parts need is there."""
    if what == "etcd":
        return _socket_answers(ETCD_SOCKET)
    if what == "containerd":
        return _socket_answers(CONTAINERD_SOCKET)
    return _api_answers(network)


@dataclass(frozen=True, slots=True)
class Leader:
    """The first process of a container. `hears` says whether it does anything at all when asked to end."""

    pid: int
    name: str
    hears: bool


def leader(pid: int, status: str, cgroup: str) -> Leader | None:
    """Read one process from the texts of its /proc files; None if it doesn't lead a container."""
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    numbers = lines.get("NSpid", "").split()
    if len(numbers) < NESTED or numbers[-1] != "1" or "/kubepods" not in cgroup:
        return None
    handled = int(lines["SigCgt"], 16) | int(lines["SigBlk"], 16)  # a first process without a handler is never told by the kernel
    return Leader(pid, lines["Name"].strip(), bool(handled >> (signal.SIGTERM - 1) & 1))


def leaders() -> list[Leader]:
    """The first process of every running container."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            one = leader(int(folder.name), (folder / "status").read_text(), (folder / "cgroup").read_text())
            if one:
                found.append(one)
    return found


def end_pods(supervisor: Supervisor) -> None:
    """Ask every container to end, wait a while for those that listen, then end everything."""

    def asked() -> list[Leader]:
        return [one for one in leaders() if one.hears and one.name != "pause"]

    for one in asked():
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGTERM)
    deadline = time.monotonic() + PODS_END_S
    while asked() and time.monotonic() < deadline:
        supervisor.reap()
        time.sleep(0.05)
    if late := sorted(one.name for one in asked()):
        sys.stderr.write(f"stopped by force after {PODS_END_S:.0f} s: {', '.join(late)}\n")
    for one in leaders():
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)


def stop(supervisor: Supervisor) -> None:
    """Kubelet first (it would start pods anew), then the pods, then the rest in the reverse order of starting."""
    supervisor.stop("kubelet")
    end_pods(supervisor)
    for child in reversed(supervisor.children):
        supervisor.stop(child.part.name)


class Orders:
    """The outer part's words, read without blocking."""

    def __init__(self) -> None:
        """They come on standard input; SIGCHLD wakes the same wait."""
        self._wake_out, wake_in = os.pipe()
        os.set_blocking(self._wake_out, False)
        os.set_blocking(wake_in, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
        self._rest = b""

    def next(self, limit_s: float) -> str:
        """The next word; empty when none came in time; `gone` when the outer part has ended."""
        ready, _, _ = select.select([0, self._wake_out], [], [], limit_s)
        if self._wake_out in ready:
            os.read(self._wake_out, 4096)
        if 0 in ready:
            read = os.read(0, 4096)
            if not read:
                return "gone"
            self._rest += read
        word, newline, rest = self._rest.partition(b"\n")
        if not newline:
            return ""
        self._rest = rest
        return word.decode()


def prepare(orders: Orders, home: Path, spec: dict[str, object], network: Network) -> bool:
    """Make the namespaces a place where the parts can live; False if the outer part has ended meanwhile."""
    keep = [Path(str(path)) for path in list(spec["keep"])] if isinstance(spec["keep"], list) else []
    private_folders(home, keep)
    show_kubelet_its_wishes()
    socket.sethostname(NODE)
    run_ip("link", "set", "lo", "up")
    os.write(1, b"up\n")
    while (word := orders.next(1.0)) != "link":
        if word in {"gone", "stop"}:
            return False
    raise_inner_link(network)
    guard_machine(network)
    return True


def serve(orders: Orders, supervisor: Supervisor) -> None:
    """Keep the parts running until told to stop."""
    logs_due = 0.0
    while True:
        supervisor.reap()
        supervisor.start_due()
        if time.monotonic() > logs_due:
            supervisor.limit_logs()
            logs_due = time.monotonic() + LOGS_EVERY_S
        word = orders.next(1.0 if supervisor.complete() else TICK_S)
        if word == "gone":
            return
        if word == "stop":
            stop(supervisor)
            return


def main(home: Path) -> int:
    """Run as PID 1 until told to stop."""
    spec = json.loads((home / "conf" / "spec.json").read_text())
    network = Network(**spec["network"])
    parts = tuple(Part(item["name"], tuple(item["argv"]), item["needs"], item["stop_s"]) for item in spec["parts"])
    env = {"PATH": os.environ["PATH"], "HOME": "/run/iotlab", "LANG": "C.UTF-8", "GOGC": GARBAGE_PERCENT}
    orders = Orders()
    if not prepare(orders, home, spec, network):
        return 0
    folders = Folders(HOME)
    for scratch in ("tmp", "ipam"):
        shutil.rmtree(Path("/run/iotlab") / scratch, ignore_errors=True)
    serve(orders, Supervisor(parts, folders.logs, folders.status, env, lambda what: answers(network, what)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except LabError as failure:
        sys.exit(f"inside the cluster's namespaces: {failure}")
