"""A change of the Kubernetes plugin, against a real API: a stack's own objects go, everything else stays."""

from __future__ import annotations

import json
import os

import pytest

from infra.lab import kubernetes_plugin
from tests.support.apiserver import ApiServer

KINDS = {"configmap": "core/v1:ConfigMap", "role": "rbac.authorization.k8s.io/v1:Role"}


def test_what_a_lesson_applied_outlives_a_change_of_the_plugin(
    cluster: ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.kubectl("create", "configmap", "of-the-lab", "-n", namespace)
    cluster.kubectl("create", "role", "of-the-lab", "--verb=get", "--resource=pods", "-n", namespace)
    cluster.kubectl("create", "configmap", "of-a-lesson", "-n", namespace)
    resources = [
        {"urn": f"urn:pulumi:kind::iotlab::kubernetes:{kind}::it", "type": f"kubernetes:{kind}", "id": f"{namespace}/of-the-lab"}
        for kind in (*KINDS.values(), "networking.k8s.io/v1:Ingress")  # the last one is gone already
    ]
    state = json.dumps({"deployment": {"resources": resources}})
    monkeypatch.setattr(kubernetes_plugin, "_pulumi", lambda *_words, **_options: state)
    kubernetes_plugin.hand_over(os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}, "kind")
    left = cluster.kubectl("get", "configmap,role", "-n", namespace, "-o", "name").split()
    assert "configmap/of-a-lesson" in left
    assert not [name for name in left if "of-the-lab" in name]
