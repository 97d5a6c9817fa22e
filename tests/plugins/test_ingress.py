"""The ingress chart's Traefik as a process, with the chart's own configuration, account and rights, on a real API server."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from infra import wiring
from infra.lab import probes
from infra.lab.cluster import pki
from infra.scales import SCALES
from tests.support.apiserver import ApiServer, tool
from tests.support.charts import CHARTS, helm
from tests.support.engine import Stack
from tests.support.processes import Process, free_port, wait_until
from tests.support.program import IMAGES

SPACE, OTHER = "ingress", "ingress-of-others"
HOST = "localhost"
WITHIN_S = 20.0


class _Backend(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": {key.lower(): value for key, value in self.headers.items()}}).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """The tests look at answers."""


def own_address() -> str:
    """An address of this machine beyond loopback: the API takes no endpoint on loopback."""
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == socket.AF_INET and not one.address.startswith(("127.", "169.254.")):
                return str(one.address)
    pytest.fail("this machine has no IPv4 address beyond loopback, and Kubernetes takes no endpoint there.")


@dataclass(frozen=True, slots=True)
class Ingress:
    """The running Traefik; `folder` is what its pod has mounted as /run/traefik."""

    process: Process
    cluster: ApiServer
    folder: Path
    port: int
    backend: tuple[str, int]

    def renew(self) -> str:
        """Lay a new certificate into the folder as kubelet does, in one swap; returns its authority."""
        pair, authority = pki.sole("test", wiring.INGRESS_HOSTS, 60)
        serial = len(list(self.folder.glob("..2*")))
        fresh = self.folder / f"..2026_{serial}"
        fresh.mkdir()
        (fresh / "tls.crt").write_bytes(pair.certificate.public_bytes(Encoding.PEM))
        (fresh / "tls.key").write_bytes(pki.key_text(pair.key))
        (fresh / "dynamic.yaml").write_text((self.folder.parent / "dynamic.yaml").read_text())
        link = self.folder / "..data_tmp"
        link.symlink_to(fresh.name)
        link.replace(self.folder / "..data")
        for name in ("tls.crt", "tls.key", "dynamic.yaml"):
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        return authority.public_bytes(Encoding.PEM).decode()

    def serve(self, namespace: str, name: str, path: str, class_name: str | None) -> None:
        """Make a service that leads to the test's backend, and an Ingress to it; without one if `path` is empty."""
        address, port = self.backend
        objects: list[dict[str, Any]] = [
            {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 9100, "targetPort": port}]}},
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "addressType": "IPv4",
                "ports": [{"port": port, "protocol": "TCP", "name": ""}],
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            },
        ]
        backend = {"service": {"name": name, "port": {"number": 9100}}}
        rules = [{"http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}]
        spec = {"rules": rules} | ({"ingressClassName": class_name} if class_name else {})
        if path:
            objects.append({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": spec})
        for one in objects:
            one["metadata"] = {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}}
        self.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def page(self, path: str, authority: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and what the backend saw."""
        context = ssl.create_default_context(cadata=authority)
        with closing(http.client.HTTPSConnection(HOST, self.port, timeout=5, context=context)) as connection:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            body = answer.read()
        seen: dict[str, Any] = json.loads(body) if answer.status == HTTPStatus.OK else {}
        return answer.status, seen


def _values() -> dict[str, Any]:
    route = {"service": "canary", "port": 9100, "paths": [{"path": "/readyz", "type": "Exact"}]}
    return {"image": IMAGES["ingress"], "tlsSecret": wiring.INGRESS_TLS, "routes": [route]}


def _installed(cluster: ApiServer) -> dict[str, str]:
    """Apply the chart; returns its configuration files."""
    made = helm("template", "ingress", str(CHARTS / "ingress"), "--namespace", cluster.namespace(SPACE), values=_values())
    assert made.returncode == 0, made.stderr
    cluster.kubectl("apply", "-f", "-", stdin=made.stdout)
    (config,) = [found for found in yaml.safe_load_all(made.stdout) if found and found["kind"] == "ConfigMap"]
    files: dict[str, str] = config["data"]
    return files


def _account(cluster: ApiServer, folder: Path) -> Path:
    """A kubeconfig with nothing but the token of the chart's account."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    token = cluster.kubectl("create", "token", "ingress", "--namespace", SPACE).strip()
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / "account.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def ingress(cluster: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingress]:
    """The chart's objects in a namespace, its program on loopback."""
    folder = tmp_path_factory.mktemp("ingress")
    run, port, ping = folder / "run", free_port(), free_port()
    run.mkdir()
    files = {name: text.replace("/run/traefik", str(run)) for name, text in _installed(cluster).items()}
    (folder / "dynamic.yaml").write_text(files["dynamic.yaml"])
    (folder / "traefik.yaml").write_text(
        files["traefik.yaml"].replace('":8443"', f'"127.0.0.1:{port}"').replace('":8080"', f'"127.0.0.1:{ping}"')
    )
    budget = SCALES["S"].budgets["ingress"]
    env = {"KUBECONFIG": str(_account(cluster, folder)), "GOMEMLIMIT": f"{budget.limit_mb // 4}MiB"}
    process = Process("traefik", [tool("traefik"), f"--configFile={folder / 'traefik.yaml'}"], folder, env)
    server = ThreadingHTTPServer((own_address(), 0), _Backend)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    running = Ingress(process, cluster, run, port, (str(server.server_address[0]), int(server.server_address[1])))
    running.renew()
    running.serve(SPACE, "canary", "", None)
    process.start()
    try:
        yield running
    finally:
        process.kill()  # asked to end, it would first wait until every kube-proxy has heard
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def authority(ingress: Ingress) -> str:
    """The authority of a certificate that was laid in while Traefik ran, once it is used."""
    made = ingress.renew()
    wait_until("the chart's own route is served", lambda: accepted(ingress, "/readyz", made), WITHIN_S)
    return made


def accepted(ingress: Ingress, path: str, authority: str) -> bool:
    return probes.https(HOST, ingress.port, path, authority).accepted is True


def test_a_page_is_served_by_tls_that_the_labs_authority_vouches_for(ingress: Ingress, authority: str) -> None:
    status, seen = ingress.page("/readyz", authority)
    assert (status, seen["path"]) == (HTTPStatus.OK, "/readyz")
    assert seen["headers"]["x-forwarded-proto"] == "https"
    assert probes.https("127.0.0.1", ingress.port, "/readyz", authority).accepted is True


def test_what_is_not_routed_and_what_comes_without_tls_is_refused(ingress: Ingress, authority: str) -> None:
    assert probes.https(HOST, ingress.port, "/readyz/more", authority).accepted is False
    assert probes.https(HOST, ingress.port, "/dashboard/", authority).accepted is False
    assert probes.https(HOST, ingress.port, "/api/rawdata", authority).accepted is False
    assert probes.plain_http(HOST, ingress.port, "/readyz").accepted is False


def test_another_authority_does_not_vouch_for_it(ingress: Ingress, authority: str) -> None:
    assert authority
    _, stranger = pki.sole("test", wiring.INGRESS_HOSTS, 60)
    said = probes.https(HOST, ingress.port, "/readyz", stranger.public_bytes(Encoding.PEM).decode())
    assert said.accepted is None
    assert "does not vouch for https://localhost:" in said.reason


def test_a_renewed_certificate_is_used_without_a_restart(ingress: Ingress, authority: str) -> None:
    pid = ingress.process.pid
    fresh = ingress.renew()
    wait_until("the new certificate is used", lambda: accepted(ingress, "/readyz", fresh), WITHIN_S)
    assert probes.https(HOST, ingress.port, "/readyz", authority).accepted is None
    assert ingress.process.alive
    assert ingress.process.pid == pid
    shutil.copytree(ingress.folder / "..2026_1", ingress.folder / "..2026_again")
    (ingress.folder / "..data_tmp").symlink_to("..2026_again")
    (ingress.folder / "..data_tmp").replace(ingress.folder / "..data")
    wait_until("the first certificate is back", lambda: accepted(ingress, "/readyz", authority), WITHIN_S)


def test_an_ingress_that_a_lesson_applies_is_served_with_and_without_a_class(ingress: Ingress, authority: str) -> None:
    ingress.serve(SPACE, "with-class", "/one", SPACE)
    ingress.serve(SPACE, "without-class", "/two", None)
    for path in ("/one", "/two"):
        wait_until(f"{path} is served", partial(accepted, ingress, path, authority), WITHIN_S)


def test_a_header_that_only_looks_like_one_of_the_ingress_does_not_pass(ingress: Ingress, authority: str) -> None:
    _, seen = ingress.page("/readyz", authority, {"X_Forwarded_For": "1.2.3.4", "X-Forwarded-For": "1.2.3.4"})
    assert "x_forwarded_for" not in seen["headers"]
    assert "1.2.3.4" not in seen["headers"]["x-forwarded-for"]


def test_an_ingress_says_its_address_so_that_it_counts_as_ready(ingress: Ingress, authority: str) -> None:
    assert authority
    told = ingress.cluster.json("ingress", "canary", "--namespace", SPACE)["status"]["loadBalancer"]
    assert told == {"ingress": [{"hostname": HOST}]}


def test_an_ingress_of_another_namespace_is_not_served_and_its_secrets_are_out_of_reach(ingress: Ingress, authority: str) -> None:
    ingress.cluster.namespace(OTHER)
    ingress.serve(OTHER, "stranger", "/stranger", SPACE)
    ingress.serve(SPACE, "after", "/after", SPACE)
    wait_until("what came after it is served", lambda: accepted(ingress, "/after", authority), WITHIN_S)
    assert not accepted(ingress, "/stranger", authority)
    user = f"--as=system:serviceaccount:{SPACE}:ingress"
    rights = ingress.cluster.kubectl("auth", "can-i", "--list", user, "--namespace", OTHER, "--no-headers")
    assert "secrets" not in rights
    assert "pods" not in rights


def test_at_rest_it_takes_less_than_its_request(ingress: Ingress, authority: str) -> None:
    for _ in range(200):
        assert accepted(ingress, "/readyz", authority)
    shared = Path(f"/proc/{ingress.process.pid}/smaps_rollup").read_text()
    anonymous = next(int(line.split()[1]) for line in shared.splitlines() if line.startswith("Anonymous:")) / 1024
    assert anonymous < SCALES["S"].budgets["ingress"].request_mb


def test_every_object_of_it_is_made_by_the_engine_stays_the_same_and_goes(
    cluster: ApiServer, stack: Stack, namespace: str
) -> None:
    chart = {
        "chart": str(CHARTS / "ingress"),
        "name": "ingress",
        "namespace": namespace,
        "values": _values() | {"external": {"enabled": False}},
        "skipAwait": True,  # no pod starts without nodes
    }
    stack.objects(cluster.kubeconfig, {}, {"ingress": chart})
    stack.up()
    assert stack.planned() == {}
    kinds = {found["type"].rsplit(":", 1)[1] for found in stack.resources().values()}
    assert {"Ingress", "IngressClass", "Role", "ClusterRole", "ServiceAccount", "Deployment", "NetworkPolicy"} <= kinds
    stack.ok("destroy", "--yes", "--skip-preview")
    assert cluster.json("clusterroles", "--field-selector", f"metadata.name={namespace}-ingress")["items"] == []
