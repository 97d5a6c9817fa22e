"""When an object is ready, and why a pod isn't."""

from __future__ import annotations

from typing import Any

import pytest

from infra.lab.plugins.kubernetes.pods import pod_troubles, selector_text
from infra.lab.plugins.kubernetes.ready import READY, assess

GROUPS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "Job": "batch/v1"}


def obj(kind: str, spec: dict[str, Any], **status: Any) -> dict[str, Any]:
    meta = {"name": "a", "namespace": "b", "generation": 2}
    seen = {"observedGeneration": 2} | status
    return {"apiVersion": GROUPS.get(kind, "v1"), "kind": kind, "metadata": meta, "spec": spec, "status": seen}


def condition(kind: str, status: str = "True", **more: str) -> dict[str, str]:
    return {"type": kind, "status": status} | more


READY_OBJECTS = [
    obj("Deployment", {"replicas": 2}, replicas=2, updatedReplicas=2, availableReplicas=2),
    obj("Deployment", {"replicas": 0}),
    obj("StatefulSet", {"replicas": 1}, replicas=1, updatedReplicas=1, readyReplicas=1),
    obj("StatefulSet", {"replicas": 1, "updateStrategy": {"type": "OnDelete"}}, replicas=1, readyReplicas=1),
    obj("DaemonSet", {}, desiredNumberScheduled=1, updatedNumberScheduled=1, numberAvailable=1),
    obj("Job", {}, conditions=[condition("Complete")]),
    obj("Job", {"suspend": True}),
    obj("Pod", {}, phase="Succeeded"),
    obj("Pod", {}, phase="Running", conditions=[condition("Ready")]),
    obj("PersistentVolumeClaim", {}, phase="Bound"),
    obj("Namespace", {}, phase="Active"),
    obj("ConfigMap", {}),
    {"apiVersion": "example.org/v1", "kind": "Deployment", "metadata": {}},
]
WAITING_OBJECTS = [
    (obj("Deployment", {}, observedGeneration=1, replicas=1, updatedReplicas=1, availableReplicas=1), "not seen the change"),
    (obj("Deployment", {"replicas": 2}, replicas=3, updatedReplicas=2, availableReplicas=2), "2 of 2 pods available"),
    (obj("StatefulSet", {"replicas": 2}, replicas=2, updatedReplicas=1, readyReplicas=2), "1 of 2 pods new"),
    (obj("DaemonSet", {}, desiredNumberScheduled=2, updatedNumberScheduled=2, numberAvailable=1), "1 of 2 pods"),
    (obj("Job", {"completions": 3}, succeeded=1, failed=1), "1 of 3 completions, 1 failures"),
    (obj("Pod", {}, phase="Running"), "the pod is Running"),
    (obj("PersistentVolumeClaim", {}, phase="Pending"), "not bound"),
]
TOO_SLOW = condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="too slow")
GAVE_UP = condition("Failed", reason="BackoffLimitExceeded", message="gave up")
FAILED_OBJECTS = [
    (obj("Deployment", {}, conditions=[TOO_SLOW]), "too slow"),
    (obj("Job", {}, conditions=[GAVE_UP]), "BackoffLimitExceeded: gave up"),
    (obj("Pod", {}, phase="Failed", message="evicted"), "evicted"),
    (obj("PersistentVolumeClaim", {}, phase="Lost"), "lost"),
]


@pytest.mark.parametrize("found", READY_OBJECTS)
def test_what_is_ready_is_told_so(found: dict[str, Any]) -> None:
    assert assess(found) == READY


@pytest.mark.parametrize(("found", "why"), WAITING_OBJECTS)
def test_what_is_waited_for_is_said(found: dict[str, Any], why: str) -> None:
    verdict = assess(found)
    assert not verdict.ready
    assert not verdict.failed
    assert why in verdict.why


@pytest.mark.parametrize(("found", "why"), FAILED_OBJECTS)
def test_what_has_failed_for_good_is_not_waited_for(found: dict[str, Any], why: str) -> None:
    verdict = assess(found)
    assert verdict.failed
    assert why in verdict.why


def pod(
    waiting: str = "", restarts: int = 0, *conditions: dict[str, str], container: str = "containerStatuses"
) -> dict[str, Any]:
    state = {"waiting": {"reason": waiting, "message": "because"}} if waiting else {}
    ended = {"terminated": {"exitCode": 1, "reason": "OOMKilled"}} if restarts else {}
    one = {"name": "main", "restartCount": restarts, "state": state, "lastState": ended}
    return {"metadata": {"name": "p"}, "status": {container: [one], "conditions": list(conditions)}}


@pytest.mark.parametrize("container", ["containerStatuses", "initContainerStatuses"])
def test_a_crashing_container_is_hopeless_only_after_some_restarts(container: str) -> None:
    assert list(pod_troubles(pod("CrashLoopBackOff", 3, container=container))) == []
    (trouble,) = pod_troubles(pod("CrashLoopBackOff", 4, container=container))
    assert trouble.grace_s == 0
    assert trouble.restarted
    assert "exit code 1, OOMKilled, 4 restarts" in trouble.why


def test_both_names_of_a_failing_pull_are_one_trouble_so_that_its_time_runs_on() -> None:
    keys = {trouble.key for reason in ("ErrImagePull", "ImagePullBackOff") for trouble in pod_troubles(pod(reason))}
    assert len(keys) == 1


def test_a_pod_without_a_node_and_a_missing_secret_may_heal_for_a_while() -> None:
    unschedulable = condition("PodScheduled", "False", reason="Unschedulable", message="no memory")
    (trouble,) = pod_troubles(pod("", 0, unschedulable))
    assert trouble.why == "pod p has no node: no memory"
    (missing,) = pod_troubles(pod("CreateContainerConfigError"))
    assert min(trouble.grace_s, missing.grace_s) >= 30
    assert list(pod_troubles(pod("ContainerCreating"))) == []


def test_a_selector_becomes_the_apis_query() -> None:
    rules = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "x", "operator": "NotIn", "values": ["c"]},
        {"key": "y", "operator": "Exists"},
        {"key": "z", "operator": "DoesNotExist"},
    ]
    text = selector_text({"matchLabels": {"app": "web"}, "matchExpressions": rules})
    assert text == "app=web,tier in (a,b),x notin (c),y,!z"
