"""What the parts are told: no anonymous access, nothing open beyond the namespaces, add-ons fit to run unprivileged."""

import json
import tomllib
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml

from infra.lab.cluster import addons, config
from infra.lab.cluster.api import AwayError, answered, object_path
from infra.lab.cluster.layout import Binaries
from infra.lab.cluster.network import Network
from infra.lab.cluster.parts import parts
from infra.lab.errors import LabError

NETWORK = Network.inside("10.213.0.0/16")
IMAGES = {name: f"localhost/iotlab/{name}:1" for name in addons.PROGRAMS}


def words(name: str) -> tuple[str, ...]:
    return next(part.argv for part in parts(NETWORK) if part.name == name)


def pod_specs() -> dict[str, dict[str, Any]]:
    found = {}
    for item in addons.manifests(NETWORK, IMAGES):
        if item["kind"] == "Deployment":
            found[item["metadata"]["name"]] = item["spec"]["template"]["spec"]
    return found


def test_the_api_server_knows_nobody_without_a_certificate() -> None:
    assert "--anonymous-auth=false" in words("kube-apiserver")
    assert "--authorization-mode=Node,RBAC" in words("kube-apiserver")
    assert "--enable-admission-plugins=NodeRestriction" in words("kube-apiserver")


def test_kubelet_knows_nobody_without_a_certificate() -> None:
    kubelet = yaml.safe_load(config.kubelet(NETWORK))
    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    assert kubelet["authorization"] == {"mode": "Webhook"}
    assert kubelet["readOnlyPort"] == 0


def test_no_part_listens_on_every_address() -> None:
    for part in parts(NETWORK):
        for word in part.argv:
            if "bind-address" in word or "listen" in word:
                assert any(place in word for place in ("=127.0.0.1", "=unix://", f"={NETWORK.node}")), word


def test_no_secret_stands_in_a_command_line() -> None:
    text = json.dumps([part.argv for part in parts(NETWORK)]).lower()
    assert not any(word in text for word in ("password", "token=", "begin "))


def test_every_part_waits_for_something_that_starts_before_it() -> None:
    names = [part.name for part in parts(NETWORK)]
    for part in parts(NETWORK):
        needed = {"": None, "api": "kube-apiserver"}.get(part.needs, part.needs)
        assert needed is None or names.index(needed) < names.index(part.name)


def test_images_are_never_collected_and_cgroups_are_the_labs_own() -> None:
    kubelet = yaml.safe_load(config.kubelet(NETWORK))
    assert kubelet["imageGCHighThresholdPercent"] == 100
    assert kubelet["cgroupRoot"] == "/iotlab"
    assert kubelet["failCgroupV1"] is False


def test_addons_run_without_root_and_without_writing_to_themselves() -> None:
    specs = pod_specs()
    assert {name for _, name in (*addons.DEPLOYMENTS, *addons.NOT_AWAITED)} == set(specs)
    for spec in specs.values():
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} == set(container["resources"])


def test_addons_never_ask_a_registry() -> None:
    for spec in pod_specs().values():
        for container in spec["containers"]:
            assert container["imagePullPolicy"] == "Never"
            assert container["image"] in IMAGES.values()


def test_names_are_served_at_the_address_that_kubelet_tells_pods() -> None:
    service = next(item for item in addons.manifests(NETWORK, IMAGES) if item["kind"] == "Service")
    assert [service["spec"]["clusterIP"]] == yaml.safe_load(config.kubelet(NETWORK))["clusterDNS"]


def test_a_volume_is_kept_and_found_again_by_its_claim() -> None:
    storage = next(item for item in addons.manifests(NETWORK, IMAGES) if item["kind"] == "StorageClass")
    assert storage["reclaimPolicy"] == "Retain"
    assert storage["parameters"]["pathPattern"] == "{{ .PVC.Namespace }}/{{ .PVC.Name }}"
    assert storage["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"


def test_every_object_of_the_addons_has_a_place_in_the_api() -> None:
    paths = [object_path(item) for item in addons.manifests(NETWORK, IMAGES)]
    assert len(paths) == len(set(paths))
    assert "/apis/apps/v1/namespaces/kube-system/deployments/coredns" in paths
    assert "/api/v1/namespaces/iotlab-storage" in paths


def test_the_helper_gets_its_image() -> None:
    made = next(item for item in addons.manifests(NETWORK, IMAGES) if item["metadata"]["name"] == "local-path-config")
    assert json.loads(made["data"]["config.json"])["setupCommand"] == "/volume-folder"
    helper = yaml.safe_load(made["data"]["helperPod.yaml"])
    assert helper["spec"]["containers"][0]["image"] == IMAGES["volume-folder"]


def test_missing_programs_are_named(tmp_path: Path) -> None:
    (tmp_path / "etcd").touch()
    with pytest.raises(LabError, match=r"kube-apiserver, .*runc") as refused:
        Binaries(tmp_path, tmp_path / "cni").check()
    assert "etcd," not in str(refused.value)
    assert "ptp" in str(refused.value)


def test_containerd_finds_the_labs_registry_at_the_nodes_address_and_asks_nobody_else_for_it() -> None:
    assert f'config_path = "{config.REGISTRIES}"' in config.containerd(Path("/cni"), "pause")
    hosts = tomllib.loads(config.registry_hosts("10.0.0.1:1"))
    assert hosts == {"server": "http://10.0.0.1:1", "host": {"http://10.0.0.1:1": {"capabilities": ["pull", "resolve"]}}}


def test_a_pod_never_gets_the_machines_own_resolver_which_may_not_be_there_inside() -> None:
    assert config.RESOLVER.strip(), "containerd copies the machine's file where kubelet's is empty"
    assert b"nameserver" not in config.RESOLVER


def test_an_api_server_that_is_too_slow_to_answer_is_asked_again_and_one_that_refuses_is_not() -> None:
    assert not answered(Mock(side_effect=AwayError("the read operation timed out")))
    with pytest.raises(LabError, match="refused"):
        answered(Mock(side_effect=LabError("the cluster refused Service x")))
