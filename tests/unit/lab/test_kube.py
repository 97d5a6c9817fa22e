"""Pods as a person wants to know them: the reason is the first thing that is wrong."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.lab import access
from infra.lab.errors import LabError
from infra.lab.kube import SERVICE_LABEL, Kube, Pod


def item(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "kafka-0", "labels": {SERVICE_LABEL: "kafka"}}, "status": status}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (
            {"containerStatuses": [{"name": "kafka", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}]},
            "kafka: ErrImageNeverPull",
        ),
        ({"initContainerStatuses": [{"name": "make", "state": {"terminated": {"exitCode": 3}}}]}, "make ended with code 3"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient memory"}]},
            "0/1 nodes: Insufficient memory",
        ),
        ({"phase": "Pending"}, "pending"),
    ],
)
def test_the_reason_is_the_first_thing_that_is_wrong(monkeypatch: pytest.MonkeyPatch, status: dict[str, Any], why: str) -> None:
    kube = Kube({})
    monkeypatch.setattr(kube, "get", lambda *_: {"items": [item(**status)]})
    (pod,) = kube.pods()
    assert (pod.service, pod.ready, pod.why) == ("kafka", False, why)


def test_pods_of_jobs_are_not_services(monkeypatch: pytest.MonkeyPatch) -> None:
    done = item(phase="Succeeded")
    done["metadata"]["ownerReferences"] = [{"kind": "Job"}]
    kube = Kube({})
    monkeypatch.setattr(kube, "get", lambda *_: {"items": [done]})
    assert kube.pods() == []


def test_a_page_is_asked_of_every_ready_pod_of_the_service_and_of_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Kube({})
    asked: list[str] = []
    ready = {"bridge-a": True, "bridge-b": False, "bridge-1-c": True, "kafka-0": True}
    known = [Pod(name, name.partition("-")[0], up, 0, None) for name, up in ready.items()]

    def run(*words: str) -> str:
        asked.append(words[-1].rpartition("/pods/")[2])
        return asked[-1]

    monkeypatch.setattr(kube, "pods", lambda: known)
    monkeypatch.setattr(kube, "_namespace", lambda: "iotlab")
    monkeypatch.setattr(kube, "run", run)
    assert list(kube.pages("bridge", 9100, "metrics")) == ["bridge-a:9100/proxy/metrics", "bridge-1-c:9100/proxy/metrics"]
    assert kube.page("bridge", 9100, "last") == "bridge-a:9100/proxy/last"
    assert len(asked) == 3, "of one page only one pod is asked"
    with pytest.raises(LabError, match="influxdb has no ready pod"):
        kube.page("influxdb", 9100, "last")


def test_restarts_are_summed_and_a_ready_pod_has_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = item(
        conditions=[{"type": "Ready", "status": "True"}],
        containerStatuses=[{"name": "a", "restartCount": 2, "state": {}}, {"name": "b", "restartCount": 1, "state": {}}],
    )
    kube = Kube({})
    monkeypatch.setattr(kube, "get", lambda *_: {"items": [ready]})
    (pod,) = kube.pods()
    assert (pod.ready, pod.restarts, pod.why) == (True, 3, None)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("provision: no such file\ncommand terminated with exit code 1\n", "provision: no such file"),
        ("command terminated with exit code 137\n", "command terminated with exit code 137"),
        ("error: gone\n", "error: gone"),
        ("", "failed"),
    ],
)
def test_a_failure_is_told_with_the_reason_of_what_failed_also_in_a_pod(tmp_path: Path, said: str, reason: str) -> None:
    (tmp_path / "said").write_text(said)
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\ncat {tmp_path}/said >&2\nexit 1\n")
    kubectl.chmod(0o755)
    with pytest.raises(LabError) as failed:
        Kube({"PATH": f"{tmp_path}:/usr/bin:/bin"}).run("exec", "node-red-0", "--", "node")
    assert str(failed.value) == f"kubectl exec node-red-0 --: {reason}"


def test_access_to_a_page_without_a_secret_is_a_token_made_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Kube({})
    asked: list[tuple[str, ...]] = []

    def run(*words: str) -> str:
        asked.append(words)
        return "a-token\n"

    monkeypatch.setattr(kube, "run", run)
    settings = SimpleNamespace(has=lambda service: service == "headlamp")
    lab: Any = SimpleNamespace(settings=settings, kube=kube, embedded=True)
    assert access.logins(lab) == {}
    assert asked == [], "only for a person who asks, not for each question of the doctor's"
    (found,) = access.logins(lab, tokens=True).values()
    assert found["password"] == "a-token"
    assert asked == [("create", "token", "jupyter", "--duration=12h")]


def test_a_pods_limit_is_its_containers_together_and_none_if_one_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = [{"resources": {"limits": {"memory": memory}}} for memory in ("128Mi", "0.5Gi", "1048576")]
    kube = Kube({})
    for containers, limit_mb in ((limited, 641), ([*limited, {"resources": {}}], None)):
        pod = item() | {"spec": {"containers": containers}}
        monkeypatch.setattr(kube, "get", lambda *_, pod=pod: {"items": [pod]})
        assert kube.pods()[0].limit_mb == limit_mb


def test_used_memory_is_told_by_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Kube({})
    found = {"items": [{"metadata": {"name": "kafka-0"}, "containers": [{"usage": {"memory": "450560Ki"}}]}]}
    answers = {"config": "iotlab", "get": json.dumps(found)}
    monkeypatch.setattr(kube, "run", lambda verb, *_: answers[verb])
    assert kube.memory_mb() == {"kafka-0": 440}


def test_without_a_metrics_server_no_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_words: str) -> str:
        raise LabError("the server could not find the requested resource")

    kube = Kube({})
    monkeypatch.setattr(kube, "run", refuse)
    assert kube.memory_mb() == {}
