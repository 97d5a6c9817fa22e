"""A real Kubernetes API without nodes on loopback: etcd, kube-apiserver and kube-controller-manager in a folder of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.lab.cluster import pki
from infra.lab.errors import LabError
from infra.lab.paths import Paths
from infra.lab.plugins.kubernetes import kubeconfig
from infra.lab.plugins.kubernetes.api import Api
from tests.support.processes import free_port, wait_until

READY_WITHIN_S = 60
LOOPBACK = "127.0.0.1"


def tool(name: str) -> Path:
    """A program of the toolchain; the test fails with its name if it is missing."""
    found = Paths.from_environment().bin / name
    if not found.exists():
        pytest.fail(f"{name} is not in the toolchain ({found.parent}): run `./lab up` once, or `./lab test`, which makes it.")
    return found


@dataclass(frozen=True, slots=True)
class ApiServer:
    """The running API: a kubeconfig of its administrator and a client."""

    kubeconfig: Path
    api: Api

    def namespace(self, name: str) -> str:
        """Make a namespace and wait until objects can be made in it."""
        self.api.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        made = partial(self.api.get, "v1", "ServiceAccount", name, "default")
        wait_until(f"service account of {name}", lambda: made() is not None, READY_WITHIN_S)
        return name

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl as administrator and return what it prints."""
        command = [str(tool("kubectl")), f"--kubeconfig={self.kubeconfig}", *words]
        return subprocess.run(command, input=stdin or "", capture_output=True, text=True, check=True, timeout=60).stdout

    def json(self, *words: str) -> dict[str, Any]:
        """`kubectl get … -o json`."""
        loaded: dict[str, Any] = json.loads(self.kubectl("get", *words, "-o", "json"))
        return loaded


def _is_up(server: ApiServer) -> bool:
    with suppress(LabError, OSError):
        return server.api.get("v1", "ServiceAccount", "default", "default") is not None
    return False


def _kubeconfig(folder: Path, name: str, server: str) -> Path:
    pki_folder = folder / "pki"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(pki_folder / "ca.crt")}}],
        "users": [
            {
                "name": name,
                "user": {"client-certificate": str(pki_folder / f"{name}.crt"), "client-key": str(pki_folder / f"{name}.key")},
            }
        ],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
    }
    path = folder / f"{name}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def _running(words: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _commands(folder: Path, etcd: int, peer: int, port: int, manager: int) -> tuple[list[str | Path], ...]:
    keys = folder / "pki"
    client, listen = f"http://{LOOPBACK}:{etcd}", f"http://{LOOPBACK}:{peer}"
    etcd_words: list[str | Path] = [
        tool("etcd"), f"--data-dir={folder}/etcd", f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={listen}", f"--initial-advertise-peer-urls={listen}", f"--initial-cluster=default={listen}",
        "--unsafe-no-fsync", "--log-level=warn",
    ]  # fmt: skip
    api_words: list[str | Path] = [
        tool("kube-apiserver"), f"--etcd-servers={client}", f"--bind-address={LOOPBACK}", f"--secure-port={port}",
        f"--tls-cert-file={keys}/apiserver.crt", f"--tls-private-key-file={keys}/apiserver.key",
        f"--client-ca-file={keys}/ca.crt", "--authorization-mode=RBAC", "--anonymous-auth=false",
        "--service-cluster-ip-range=10.250.0.0/24", "--endpoint-reconciler-type=none",
        f"--service-account-issuer=https://{LOOPBACK}:{port}", f"--service-account-key-file={keys}/service-account.pub",
        f"--service-account-signing-key-file={keys}/service-account.key",
    ]  # fmt: skip
    admin = _kubeconfig(folder, "admin", f"https://{LOOPBACK}:{port}")
    manager_words: list[str | Path] = [
        tool("kube-controller-manager"), f"--kubeconfig={admin}", f"--bind-address={LOOPBACK}", f"--secure-port={manager}",
        f"--service-account-private-key-file={keys}/service-account.key", f"--root-ca-file={keys}/ca.crt",
        "--leader-elect=false", "--kube-api-qps=200", "--kube-api-burst=400", f"--cert-dir={folder}/manager",
    ]  # fmt: skip
    return etcd_words, api_words, manager_words


@contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """Run the three parts until the block ends."""
    pki_folder = folder / "pki"
    pki_folder.mkdir(parents=True)
    pki.ensure(pki_folder, pki.wanted("test", LOOPBACK, LOOPBACK))
    etcd, peer, port, manager = (free_port() for _ in range(4))
    with ExitStack() as stack:
        for words in _commands(folder, etcd, peer, port, manager):
            stack.enter_context(_running(words, folder / f"{Path(words[0]).name}.log"))
        admin = folder / "admin.kubeconfig"
        server = ApiServer(admin, Api(kubeconfig.load(str(admin))))
        wait_until("kube-apiserver is up", partial(_is_up, server), READY_WITHIN_S, 0.2)
        yield server
