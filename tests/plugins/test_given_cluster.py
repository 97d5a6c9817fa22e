"""A cluster that isn't the lab's own, by one config value: a real API, filled by `lab up` with images from a real registry."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra import wiring
from infra.lab import bringup
from infra.lab import lab as lab_module
from infra.lab import stack as stack_module
from infra.lab.access import given_hint, logins
from infra.lab.bundle import Bundle, Manifest
from infra.lab.errors import UserError
from infra.lab.lab import Lab
from infra.lab.logs import show_logs
from infra.lab.status import status_of
from infra.settings import Settings
from tests.support.apiserver import ApiServer
from tests.support.kubelet import kubelet, running
from tests.support.registry import DockerRegistry, layer, make_images, registry_in

STACK = "given"
CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "given", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "example.org/none",
}
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "given"},
    "status": {
        "nodeInfo": dict.fromkeys(
            (
                *("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion"),
                *("kubeletVersion", "kubeProxyVersion", "operatingSystem"),
            ),
            "none",
        )
        | {"architecture": "arm64"},
        "addresses": [{"type": "InternalIP", "address": "10.1.0.1"}],
    },
}
READY = running() | {"podIP": "10.1.0.9", "podIPs": [{"ip": "10.1.0.9"}]}  # a Service is ready when it has endpoints


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with registry_in(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
def config(cluster: ApiServer, registry: DockerRegistry) -> dict[str, object]:
    return {
        "iotlab:kubeconfig": str(cluster.kubeconfig),
        "iotlab:registry": f"http://{registry.address}/class",
        "iotlab:services": ["mosquitto", "fleet"],
    }


@pytest.fixture
def lab(config: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab with a state of its own, images of no content, and the toolchain of this checkout."""
    images = make_images(tmp_path / "images", {name: [layer(name)] for name in ("mosquitto", "kafka", "influxdb", "apps")})
    monkeypatch.setenv("IOTLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("IOTLAB_SEALED", "1")
    monkeypatch.setenv("PATH", os.environ["PATH"])  # the Automation API changes it
    monkeypatch.setattr(stack_module, "config_of", lambda _name: dict(config))
    monkeypatch.setattr(lab_module, "settings_of", lambda _name, _paths: Settings.parse(config))
    for name in ("ensure", "manifest"):
        monkeypatch.setattr(Bundle, name, lambda _self: images)
    monkeypatch.setattr(Manifest, "read", lambda _folder: images)
    return Lab(STACK)


@pytest.fixture
def storage(cluster: ApiServer) -> Iterator[None]:
    """A default storage class, without which the lab refuses a cluster, and a node."""
    cluster.api.request("POST", "/apis/storage.k8s.io/v1/storageclasses", CLASS)
    cluster.api.request("POST", "/api/v1/nodes", NODE)
    yield
    cluster.kubectl("delete", "storageclass", "given")
    cluster.kubectl("delete", "node", "given")


def test_a_cluster_without_a_default_storage_class_is_refused_before_anything_is_sent(lab: Lab, registry: DockerRegistry) -> None:
    before = registry.log.read_text().count("PUT")
    with pytest.raises(UserError, match="no default storage class"):
        bringup.up(lab)
    assert registry.log.read_text().count("PUT") == before
    assert not lab.stack.private_file.exists()


@pytest.mark.usefixtures("storage")
def test_up_fills_it_looks_into_it_and_leaves_it_standing(
    lab: Lab, cluster: ApiServer, registry: DockerRegistry, capfd: pytest.CaptureFixture[str]
) -> None:
    images = dict.fromkeys(lab.references(lab.bundle.manifest()).values(), READY)
    assert all(reference.startswith(f"{registry.address}/class/") for reference in images)
    with kubelet(cluster.api, wiring.NAMESPACE, images, node="given"):
        changes = bringup.up(lab)
        assert changes["create"] > 5
        assert set(bringup.up(lab)) == {"same"}
        found = status_of(lab)
        assert found.ok, found
        assert {pod.service for pod in found.pods} == {"mosquitto", "fleet"}
        assert found.cluster is None
    entry = logins(lab)["mosquitto"]
    assert entry["url"] == "mqtt://mosquitto:1883"
    assert len(entry["password"]) == 32
    hint = given_hint(lab) or ""
    assert f"--stack {STACK}" in hint
    assert "port 31883 of 10.1.0.1" in hint
    with pytest.raises(UserError, match=r"not the lab's to stop.*pulumi destroy -s given.*kubectl delete namespace iotlab"):
        bringup.down(lab, purge=False)
    with pytest.raises(UserError, match="not the lab's to stop"):
        bringup.down(lab, purge=True)
    said = " ".join(capfd.readouterr().err.split())
    assert "the cluster's nodes are arm64, the images are made for amd64" in said
    assert "nothing changed" in said
    _a_recreated_cluster_is_noticed(lab)
    cluster.kubectl("delete", "namespace", wiring.NAMESPACE, "--wait=false")


def _a_recreated_cluster_is_noticed(lab: Lab) -> None:
    lab.given.marker.write_text("the id of a cluster that is gone")
    with pytest.raises(UserError, match=r"filled another cluster .* ./lab down --purge --stack given"):
        bringup.up(lab)
    bringup.down(lab, purge=True)
    assert not lab.stack.private_file.exists()
    assert not list((lab.paths.pulumi / "backend").rglob(f"{STACK}.json*"))


def test_a_cluster_that_does_not_answer_is_named(lab: Lab, config: dict[str, object], tmp_path: Path, cluster: ApiServer) -> None:
    silent = yaml.safe_load(cluster.kubeconfig.read_text())
    silent["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "silent.kubeconfig").write_text(yaml.safe_dump(silent))
    config["iotlab:kubeconfig"] = str(tmp_path / "silent.kubeconfig")
    for act in (
        lambda: bringup.up(lab),
        lambda: status_of(lab),
        lab.need_up,
        lambda: show_logs(lab, "mosquitto", follow=False, tail=1),
    ):
        with pytest.raises(UserError, match=r"the cluster of the current context of .*silent\.kubeconfig gives no answer"):
            act()
    lab.given.marker.write_text("the id of a cluster that is asleep")
    lab.stack.private_file.touch()
    with pytest.raises(UserError, match=r"gives no answer .*may only be asleep"):
        bringup.down(lab, purge=True)
    assert lab.given.marker.exists()
    assert lab.stack.private_file.exists()


def test_forgetting_a_cluster_without_kubectl_is_refused_in_a_sentence(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.given.marker.parent.mkdir(parents=True)
    lab.given.marker.write_text("the id of a cluster that is gone")
    monkeypatch.setenv("IOTLAB_CACHE", str(tmp_path / "no-toolchain"))
    with pytest.raises(UserError, match="the toolchain is not there yet"):
        bringup.down(Lab(STACK), purge=True)
    assert lab.given.marker.exists()
