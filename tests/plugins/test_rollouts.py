"""The stand-in for pulumi-kubernetes waits for what it makes; kubelet is played by the test."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psutil
import pytest

from tests.support.apiserver import ApiServer
from tests.support.engine import Stack
from tests.support.kubelet import kubelet, running, waiting
from tests.support.processes import end_all, wait_until

CRASH = waiting("CrashLoopBackOff", "back-off 40s restarting failed container", restarts=4)
BAD_IMAGE = waiting("InvalidImageName", 'couldn\'t parse image name "NONE"')


def workload(namespace: str) -> dict[str, tuple[str, dict[str, Any]]]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none"}]}}
    metadata = {"name": "web", "namespace": namespace}
    ports = [{"port": 80}]
    service = {"metadata": metadata, "spec": {"selector": labels, "ports": ports}}
    deployment = {"metadata": metadata, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    return {"service": ("kubernetes:core/v1:Service", service), "web": ("kubernetes:apps/v1:Deployment", deployment)}


def job(namespace: str) -> dict[str, tuple[str, dict[str, Any]]]:
    container = {"name": "main", "image": "none"}
    spec = {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
    return {"job": ("kubernetes:batch/v1:Job", {"metadata": {"name": "once", "namespace": namespace}, "spec": spec})}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (CRASH, "container main: CrashLoopBackOff (exit code 3, Error, 4 restarts)"),
        (BAD_IMAGE, "container main: InvalidImageName"),
    ],
    ids=["crash", "image"],
)
def test_a_rollout_that_cannot_heal_fails_early_with_the_pods_reason_and_the_next_up_repairs_it(
    cluster: ApiServer, stack: Stack, namespace: str, status: dict[str, Any], reason: str
) -> None:
    stack.objects(cluster.kubeconfig, workload(namespace))
    with kubelet(cluster.api, namespace, {"none": status}):
        said = stack.fails("up", "--yes", "--skip-preview", timeout_s=60)
    assert f"Deployment {namespace}/web did not become ready: 0 of 1 pods available, 1 of them new; pod web-" in said
    assert reason in said
    with kubelet(cluster.api, namespace, {"none": running()}):
        assert "update" in stack.planned()["web"]
    assert stack.resources()


def test_a_job_that_failed_is_made_anew_by_the_next_up(cluster: ApiServer, stack: Stack, namespace: str) -> None:
    stack.objects(cluster.kubeconfig, job(namespace))
    with kubelet(cluster.api, namespace, {"none": {"phase": "Failed", "reason": "Evicted"}}):
        said = stack.fails("up", "--yes", "--skip-preview", timeout_s=60)
    assert f"Job {namespace}/once did not become ready: BackoffLimitExceeded" in said
    first = cluster.json("job", "once", "-n", namespace)["metadata"]["uid"]
    with kubelet(cluster.api, namespace, {"none": {"phase": "Succeeded"}}):
        stack.up()
    assert cluster.json("job", "once", "-n", namespace)["metadata"]["uid"] != first
    assert stack.planned() == {}


def words_of(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):  # it has just ended
        return list(process.cmdline())
    return []


def test_a_killed_engine_leaves_no_plugin_behind(cluster: ApiServer, stack: Stack, namespace: str) -> None:
    stack.objects(cluster.kubeconfig, workload(namespace))
    engine = stack.started("up", "--yes", "--skip-preview")
    wait_until("the Deployment is there", lambda: cluster.api.get("apps/v1", "Deployment", namespace, "web") is not None, 60.0)
    children = psutil.Process(engine.pid).children(recursive=True)
    plugins = [child for child in children if any("pulumi-resource-kubernetes" in word for word in words_of(child))]
    assert plugins
    engine.kill()
    engine.wait()
    try:
        assert psutil.wait_procs(plugins, timeout=10)[1] == []
    finally:
        end_all(children)  # Pulumi's own language host looks for its engine every five minutes only


def test_a_stateful_set_stuck_on_a_broken_version_is_repaired_by_the_next_up(
    cluster: ApiServer, stack: Stack, namespace: str
) -> None:
    labels = {"app": "db"}

    def stateful_set(image: str) -> dict[str, tuple[str, dict[str, Any]]]:
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
        spec = {"serviceName": "db", "selector": {"matchLabels": labels}, "template": template}
        return {"db": ("kubernetes:apps/v1:StatefulSet", {"metadata": {"name": "db", "namespace": namespace}, "spec": spec})}

    with kubelet(cluster.api, namespace, {"broken": CRASH, "whole": running()}):
        stack.objects(cluster.kubeconfig, stateful_set("broken"))
        said = stack.fails("up", "--yes", "--skip-preview", timeout_s=60)
        assert f"StatefulSet {namespace}/db did not become ready" in said
        assert "pod db-0, container main: CrashLoopBackOff" in said
        stack.objects(cluster.kubeconfig, stateful_set("whole"))
        stack.up()
    assert cluster.json("pod", "db-0", "-n", namespace)["spec"]["containers"][0]["image"] == "whole"
