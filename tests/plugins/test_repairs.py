"""A failure at any object is repaired by the next `up` (S10): nothing is made twice, nothing stays undone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.apiserver import ApiServer
from tests.support.engine import Stack

KINDS = ("ConfigMap", "Secret", "Service", "ServiceAccount")


def wanted(kind: str, namespace: str) -> tuple[str, dict[str, Any]]:
    inputs: dict[str, Any] = {"metadata": {"name": kind.lower(), "namespace": namespace, "labels": {"owner": "lab"}}}
    if kind == "Service":
        inputs["spec"] = {"clusterIP": "None", "ports": [{"port": 80}]}
    return f"kubernetes:core/v1:{kind}", inputs


@pytest.mark.parametrize("broken", KINDS)
def test_a_failure_at_any_object_is_repaired_by_the_next_up(
    cluster: ApiServer, stack: Stack, namespace: str, broken: str
) -> None:
    _, inputs = wanted(broken, namespace)
    foreign = inputs | {"apiVersion": "v1", "kind": broken}
    foreign["metadata"] = inputs["metadata"] | {"labels": {"owner": "somebody"}}
    cluster.kubectl("apply", "--server-side", "--field-manager=somebody-else", "-f", "-", stdin=json.dumps(foreign))
    stack.objects(cluster.kubeconfig, {kind: wanted(kind, namespace) for kind in KINDS})
    said = stack.fails("up", "--yes", "--skip-preview")
    assert "somebody-else" in said
    cluster.kubectl("delete", broken.lower(), broken.lower(), "-n", namespace)
    stack.up()
    assert stack.planned("--refresh") == {}
    for kind in KINDS:
        assert cluster.json(kind.lower(), kind.lower(), "-n", namespace)["metadata"]["labels"]["owner"] == "lab"
