"""The stand-in for pulumi-kubernetes under the real engine and a real API server: single objects."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.support.apiserver import ApiServer
from tests.support.engine import Stack

Objects = dict[str, tuple[str, dict[str, Any]]]

CONFIG = "kubernetes:core/v1:ConfigMap"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
JOB = "kubernetes:batch/v1:Job"
SERVICE = "kubernetes:core/v1:Service"
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"


def config(namespace: str, **data: str) -> tuple[str, dict[str, Any]]:
    return CONFIG, {"metadata": {"name": "settings", "namespace": namespace}, "data": data}


def template(**labels: str) -> dict[str, Any]:
    resources = {"limits": {"cpu": 0.5, "memory": "1024Mi"}}
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none", "resources": resources}]}}


def deployment(namespace: str, app: str, replicas: int = 0) -> tuple[str, dict[str, Any]]:
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": app}}, "template": template(app=app)}
    return DEPLOYMENT, {"metadata": {"name": "web", "namespace": namespace}, "spec": spec}


def claim(namespace: str, size: str = "1Gi", mode: str = "ReadWriteOnce") -> tuple[str, dict[str, Any]]:
    metadata = {"name": "data", "namespace": namespace, "annotations": {"pulumi.com/skipAwait": "true"}}
    return CLAIM, {"metadata": metadata, "spec": {"accessModes": [mode], "resources": {"requests": {"storage": size}}}}


def test_a_second_preview_has_no_diff_and_a_refresh_of_untouched_objects_finds_none(
    cluster: ApiServer, stack: Stack, namespace: str
) -> None:
    # cpu 0.5 and 1024Mi come back as 500m and 1Gi, ports with defaults: none of this is a change
    port = {"port": 80, "targetPort": 8080}
    service = SERVICE, {"metadata": {"name": "web", "namespace": namespace}, "spec": {"clusterIP": "None", "ports": [port]}}
    objects: Objects = {"web": deployment(namespace, "a"), "service": service, "settings": config(namespace, a="1")}
    stack.objects(cluster.kubeconfig, objects)
    stack.up()
    assert stack.planned() == {}
    assert stack.planned("--refresh") == {}
    other_path = cluster.kubeconfig.with_name("same-cluster.kubeconfig")
    other_path.write_text(cluster.kubeconfig.read_text())
    stack.objects(other_path, objects)
    assert stack.planned() == {"cluster": "update"}


def test_an_immutable_field_needs_a_new_object_and_a_changeable_one_does_not(
    cluster: ApiServer, stack: Stack, namespace: str
) -> None:
    stack.objects(cluster.kubeconfig, {"web": deployment(namespace, "a")})
    stack.up()
    first = cluster.json("deployment", "web", "-n", namespace)["metadata"]["uid"]
    changed = deployment(namespace, "a")
    changed[1]["spec"]["minReadySeconds"] = 1
    stack.objects(cluster.kubeconfig, {"web": changed})
    assert stack.planned() == {"web": "update"}
    stack.objects(cluster.kubeconfig, {"web": deployment(namespace, "b")})
    said = stack.ok("up", "--yes", "--diff")
    assert "replace" in said
    live = cluster.json("deployment", "web", "-n", namespace)
    assert live["metadata"]["uid"] != first
    assert live["spec"]["selector"]["matchLabels"] == {"app": "b"}


def test_a_claim_is_never_replaced_and_never_deleted(cluster: ApiServer, stack: Stack, namespace: str) -> None:
    stack.objects(cluster.kubeconfig, {"data": claim(namespace)})
    stack.up()
    first = cluster.json("pvc", "data", "-n", namespace)["metadata"]["uid"]
    stack.objects(cluster.kubeconfig, {"data": claim(namespace, mode="ReadWriteMany")})
    said = stack.fails("up", "--yes")
    assert f"PersistentVolumeClaim {namespace}/data: spec.accessModes[0] of a claim can't be changed" in said
    stack.objects(cluster.kubeconfig, {})
    assert f"PersistentVolumeClaim {namespace}/data stays in the cluster with its data" in stack.ok(
        "up", "--yes", "--skip-preview"
    )
    assert cluster.json("pvc", "data", "-n", namespace)["metadata"]["uid"] == first
    stack.objects(cluster.kubeconfig, {"data": claim(namespace)})
    stack.up()
    assert cluster.json("pvc", "data", "-n", namespace)["metadata"]["uid"] == first


def test_a_namespace_with_claims_outlives_destroy_and_one_without_goes(cluster: ApiServer, stack: Stack, namespace: str) -> None:
    full, empty = f"{namespace}-full"[-60:].strip("-"), f"{namespace}-empty"[-60:].strip("-")
    stack.objects(
        cluster.kubeconfig,
        {name: ("kubernetes:core/v1:Namespace", {"metadata": {"name": name}}) for name in (full, empty)} | {"data": claim(full)},
    )
    stack.up()
    assert f"Namespace {full} stays in the cluster" in stack.ok("destroy", "--yes", "--skip-preview")
    assert cluster.api.get("v1", "Namespace", None, full) is not None
    assert cluster.api.get("v1", "Namespace", None, empty) is None


def test_a_refresh_finds_drift_and_a_conflict_with_another_manager_is_an_error(
    cluster: ApiServer, stack: Stack, namespace: str
) -> None:
    stack.objects(cluster.kubeconfig, {"settings": config(namespace, a="1", b="2")})
    stack.up()
    cluster.kubectl("patch", "configmap", "settings", "-n", namespace, "--type=merge", '--patch={"data":{"a":"9"}}')
    assert stack.planned() == {}
    assert "~ 1 updated" in stack.ok("refresh", "--yes", "--skip-preview")
    said = stack.fails("up", "--yes")
    assert f"ConfigMap {namespace}/settings: .data.a was set to another value by kubectl-patch" in said
    forced = config(namespace, a="1", b="2")
    forced[1]["metadata"]["annotations"] = {"pulumi.com/patchForce": "true"}
    stack.objects(cluster.kubeconfig, {"settings": forced})
    stack.up()
    assert cluster.json("configmap", "settings", "-n", namespace)["data"] == {"a": "1", "b": "2"}


def test_an_object_deleted_by_hand_is_made_again_after_a_refresh(cluster: ApiServer, stack: Stack, namespace: str) -> None:
    stack.objects(cluster.kubeconfig, {"settings": config(namespace, a="1")})
    stack.up()
    cluster.kubectl("delete", "configmap", "settings", "-n", namespace)
    stack.ok("up", "--yes", "--skip-preview", "--refresh")
    assert cluster.json("configmap", "settings", "-n", namespace)["data"] == {"a": "1"}


@pytest.mark.parametrize("place", ["there", "still to be made"])
def test_a_broken_value_is_refused_before_anything_changes(cluster: ApiServer, stack: Stack, namespace: str, place: str) -> None:
    where = namespace if place == "there" else f"new-{namespace}"[:60].strip("-")
    objects: Objects = {"settings": config(where, a="1"), "web": deployment(where, "a", replicas=-1)}
    if place != "there":
        objects = {"ns": ("kubernetes:core/v1:Namespace", {"metadata": {"name": where}})} | objects
    stack.objects(cluster.kubeconfig, objects)
    said = stack.fails("up", "--yes")
    assert f"Deployment {where}/web: the API server refuses it" in said
    assert "spec.replicas: Invalid value: -1" in said
    assert cluster.api.get("v1", "ConfigMap", where, "settings") is None


def test_a_misspelt_field_is_refused(cluster: ApiServer, stack: Stack, namespace: str) -> None:
    broken = copy.deepcopy(deployment(namespace, "a"))
    broken[1]["spec"]["replicsa"] = 1
    stack.objects(cluster.kubeconfig, {"web": broken})
    assert "replicsa" in stack.fails("preview")


def test_an_object_without_a_name_gets_one_and_keeps_it(cluster: ApiServer, stack: Stack, namespace: str) -> None:
    unnamed = CONFIG, {"metadata": {"namespace": namespace}, "data": {"a": "1"}}
    stack.objects(cluster.kubeconfig, {"settings": unnamed})
    stack.up()
    names = [item["metadata"]["name"] for item in cluster.json("configmap", "-n", namespace)["items"]]
    (made,) = [name for name in names if name.startswith("settings-")]
    assert len(made) == len("settings-") + 8
    stack.objects(cluster.kubeconfig, {"settings": (CONFIG, unnamed[1] | {"data": {"a": "2"}})})
    stack.up()
    assert cluster.json("configmap", made, "-n", namespace)["data"] == {"a": "2"}
    stack.objects(cluster.kubeconfig, {"settings": (CONFIG, unnamed[1] | {"immutable": True})})
    stack.up()
    stack.objects(cluster.kubeconfig, {"settings": (CONFIG, unnamed[1] | {"data": {"a": "3"}, "immutable": True})})
    # with a name of its own for the new one there is no gap: made first, then deleted
    assert "+-1 to replace" in stack.ok("preview").replace("+- 1", "+-1")


def test_a_secret_is_a_secret_everywhere_in_the_state(cluster: ApiServer, stack: Stack, namespace: str) -> None:
    inputs = {"metadata": {"name": "login", "namespace": namespace}, "stringData": {"password": "hunter2-hunter2"}}
    stack.objects(cluster.kubeconfig, {"login": ("kubernetes:core/v1:Secret", inputs)})
    said = stack.up()
    exported = stack.ok("stack", "export")
    for text in ("hunter2-hunter2", "aHVudGVyMi1odW50ZXIy"):
        assert text not in said
        assert text not in exported
    assert stack.planned() == {}
    assert stack.planned("--refresh") == {}


def test_an_object_that_does_not_become_ready_is_recorded_and_repaired_by_the_next_up(
    cluster: ApiServer, stack: Stack, namespace: str
) -> None:
    # without nodes a pod stays pending: the wait ends with the time-out that the object asks for
    slow = deployment(namespace, "a", replicas=1)
    slow[1]["metadata"]["annotations"] = {"pulumi.com/timeoutSeconds": "3"}
    stack.objects(cluster.kubeconfig, {"web": slow})
    said = stack.fails("up", "--yes", "--skip-preview")
    assert f"Deployment {namespace}/web did not become ready within 3 s: 0 of 1 pods available" in said
    assert "The object is recorded; correct the cause and run `up` again." in said
    assert any(urn.endswith("::web") for urn in stack.resources())
    repaired = deployment(namespace, "a", replicas=0)
    stack.objects(cluster.kubeconfig, {"web": repaired})
    stack.up()
    assert stack.planned() == {}


def test_an_unreachable_cluster_allows_a_preview_and_refuses_an_update_in_a_sentence(
    cluster: ApiServer, stack: Stack, namespace: str
) -> None:
    stack.objects(cluster.kubeconfig.with_name("not-yet"), {"settings": config(namespace, a="1")})
    assert stack.planned() == {"test-test": "create", "cluster": "create", "settings": "create"}
    assert "No kubeconfig at" in stack.fails("up", "--yes", "--skip-preview")


def test_a_kubeconfig_that_only_the_update_will_know_allows_a_preview(stack: Stack) -> None:
    stack.program("""
import pulumi_kubernetes as k8s
from infra.services._password import Password
options = pulumi.ResourceOptions(provider=k8s.Provider("cluster", kubeconfig=Password("p").value))
k8s.core.v1.ConfigMap("settings", metadata={"name": "settings"}, data={"a": "1"}, opts=options)
""")
    assert stack.planned().keys() == {"test-test", "p", "cluster", "settings"}


def test_values_that_come_from_another_resource_stay_unknown_in_a_preview(
    cluster: ApiServer, stack: Stack, namespace: str
) -> None:
    stack.program(f"""
import pulumi_kubernetes as k8s
from infra.services._password import Password
options = pulumi.ResourceOptions(provider=k8s.Provider("cluster", kubeconfig={str(cluster.kubeconfig)!r}))
metadata = {{"namespace": {namespace!r}, "name": "login"}}
login = k8s.core.v1.Secret("login", metadata=metadata, string_data={{"p": Password("p").value}}, opts=options)
service = k8s.core.v1.Service("web", metadata=metadata, spec={{"ports": [{{"port": 80}}]}}, opts=options)
pulumi.export("uid", login.metadata.uid)
pulumi.export("address", service.spec.cluster_ip)
pulumi.export("name", login.metadata.name)
""")
    said = stack.ok("preview")
    outputs = dict(line.split(":", 1) for line in said.partition("Outputs:")[2].strip().splitlines()[:3])
    assert {name.strip(): text.strip() for name, text in outputs.items()} == {
        "uid": "[unknown]",
        "address": "[unknown]",
        "name": '"login"',
    }
    stack.up()
    assert stack.ok("stack", "output", "address").startswith("10.250.0.")
    assert stack.planned() == {}
