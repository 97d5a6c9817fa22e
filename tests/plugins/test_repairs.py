"""A failure at any kind of object that the lab makes is repaired by the next `up` (S10): nothing twice, nothing undone."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.apiserver import ApiServer
from tests.support.charts import Object, cases, rendered
from tests.support.engine import Stack

OF_THE_CLUSTER = frozenset({"IngressClass", "ClusterRole", "ClusterRoleBinding"})
SECRET: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {}, "stringData": {"password": "made-up-for-the-test"}}


def every_kind(namespace: str) -> dict[str, Object]:
    """One object of each kind that the charts make for the stack `local`, and a Secret, with names of the test's own."""
    found = {"Secret": SECRET}
    for name in sorted(cases()):
        if name.endswith("-S"):
            found |= {each["kind"]: each for each in rendered(name) if each["kind"] not in found}
    return {kind: _own(each, namespace) for kind, each in found.items()}


def _own(rendered_object: Object, namespace: str) -> Object:
    """Under the test's own name, in its namespace, and not waited for: there is no node."""
    kind = rendered_object["kind"]
    labels = rendered_object["metadata"].get("labels", {}) | {"owner": "lab"}
    metadata: Object = {"name": f"{namespace}-{kind.lower()}"[-60:].strip("-"), "labels": labels}
    metadata["annotations"] = {"pulumi.com/skipAwait": "true"}
    if kind not in OF_THE_CLUSTER:
        metadata["namespace"] = namespace
    return rendered_object | {"metadata": metadata}


def token(one: Object) -> str:
    """Pulumi's type token."""
    group, _, version = one["apiVersion"].rpartition("/")
    return f"kubernetes:{group or 'core'}/{version}:{one['kind']}"


def taken(cluster: ApiServer, one: Object) -> None:
    """Let somebody else own the object before the lab comes."""
    foreign = one | {"metadata": one["metadata"] | {"labels": {"owner": "somebody"}}}
    cluster.kubectl("apply", "--server-side", "--field-manager=somebody-else", "-f", "-", stdin=json.dumps(foreign))


def test_a_failure_at_any_kind_of_object_is_repaired_by_the_next_up(cluster: ApiServer, stack: Stack, namespace: str) -> None:
    wanted = every_kind(namespace)
    assert {"Deployment", "StatefulSet", "Job", "NetworkPolicy", "Ingress", "Role"} <= set(wanted)
    for one in wanted.values():
        taken(cluster, one)
    stack.objects(cluster.kubeconfig, {kind: (token(one), _inputs(one)) for kind, one in wanted.items()})
    left = dict(wanted)
    while left:  # an object is freed only after the engine has failed at it
        said = stack.fails("up", "--yes", "--skip-preview", "--parallel", "1")
        assert "somebody-else" in said
        failed = [kind for kind, one in left.items() if re.search(rf"{one['metadata']['name']}\b", said)]
        assert failed, said
        for kind in failed:
            cluster.kubectl("delete", "--wait", "-f", "-", stdin=json.dumps(left.pop(kind)))
    stack.up()
    assert stack.planned("--refresh") == {}
    for one in wanted.values():
        assert cluster.kubectl("get", "-f", "-", "-o", "jsonpath={..metadata.labels.owner}", stdin=json.dumps(one)) == "lab"


def _inputs(one: Object) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key not in {"apiVersion", "kind"}}
