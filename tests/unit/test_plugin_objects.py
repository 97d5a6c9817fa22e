"""Names, types and manifests as the published plugin has them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from infra.lab.errors import UserError
from infra.lab.plugins.kubernetes import manifest, objects
from infra.lab.plugins.kubernetes.helm import helm_sentence
from infra.lab.plugins.values import UNKNOWN


@pytest.mark.parametrize(
    ("api_version", "kind", "token"),
    [
        ("v1", "Secret", "kubernetes:core/v1:Secret"),
        ("apps/v1", "Deployment", "kubernetes:apps/v1:Deployment"),
        ("rbac.authorization.k8s.io/v1", "Role", "kubernetes:rbac.authorization.k8s.io/v1:Role"),
        ("example.org/v1alpha1", "Fan", "kubernetes:example.org/v1alpha1:Fan"),
    ],
)
def test_a_kind_has_the_type_of_the_published_plugin_and_the_type_gives_the_kind_back(
    api_version: str, kind: str, token: str
) -> None:
    assert objects.token(api_version, kind) == token
    urn = f"urn:pulumi:local::iotlab::iotlab:services:Kafka$kubernetes:helm.sh/v4:Chart${token}::kafka:iotlab/kafka"
    assert objects.group_version_kind(urn) == (api_version, kind)


def test_ids_are_namespace_and_name_or_the_name_alone() -> None:
    assert objects.resource_id({"metadata": {"name": "a", "namespace": "b"}}) == "b/a"
    assert objects.resource_id({"metadata": {"name": "a"}}) == "a"
    assert objects.split_id("b/a") == ("b", "a")
    assert objects.split_id("a") == (None, "a")


def test_each_resource_owns_its_fields_under_a_name_of_its_own_that_stays() -> None:
    one, two = objects.field_manager("urn:a"), objects.field_manager("urn:b")
    assert one != two
    assert one == objects.field_manager("urn:a")
    assert one.startswith("pulumi-kubernetes-")


@pytest.mark.parametrize(
    ("kind", "name"), [("ConfigMap", "Upper"), ("ConfigMap", "a/b"), ("Pod", "a" * 254), ("Role", "a/b"), ("Pod", 3)]
)
def test_what_is_no_name_is_refused(kind: str, name: Any) -> None:
    assert "is not a name" in str(objects.refused_name(kind, name))


@pytest.mark.parametrize(("kind", "name"), [("ConfigMap", "kube-root-ca.crt"), ("ClusterRole", "system:node"), ("Pod", UNKNOWN)])
def test_names_of_the_servers_rules_are_accepted(kind: str, name: Any) -> None:
    assert objects.refused_name(kind, name) is None


def test_a_generated_name_stays_once_it_is_made() -> None:
    first = objects.autonamed("web", b"seed", {})
    assert first.startswith("web-")
    assert len(first) == len("web-") + 8
    old = {"metadata": {"name": first, "annotations": {objects.AUTONAMED: "true"}}}
    assert objects.autonamed("web", b"another", old) == first


def test_yaml_is_read_as_kubernetes_reads_it() -> None:
    data = "[0644, 0o644, 2026-11-22, 12:30, 1e3, 0x1F, -5, 1.50, 08, yes, ~]"
    text = f"apiVersion: v1\nkind: A\nmetadata: {{name: a}}\ndata: {data}"
    (found,) = manifest.parsed(text)
    assert found["data"] == [420, 420, "2026-11-22", "12:30", 1000.0, 31, -5, 1.5, 8.0, True, None]
    assert not any(isinstance(item, dt.date) for item in found["data"])


def test_lists_are_opened_and_empty_documents_left_out() -> None:
    text = "---\n---\napiVersion: v1\nkind: List\nitems: [{apiVersion: core/v1, kind: A, metadata: {name: a}}]"
    assert [item["apiVersion"] for item in manifest.parsed(text)] == ["v1"]


@pytest.mark.parametrize("text", ["kind: A", "- 1", "a: [", "apiVersion: v1\nkind: A\nmetadata: {}"])
def test_what_is_no_object_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(UserError, match="The chart renders"):
        manifest.parsed(text)


def definition(scope: str) -> dict[str, Any]:
    spec = {"group": "example.org", "scope": scope, "names": {"kind": "Fan"}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "fans"},
        "spec": spec,
    }


@pytest.mark.parametrize(("scope", "name"), [("Namespaced", "demo:lab/one"), ("Cluster", "demo:one")])
def test_children_are_named_by_chart_namespace_and_name(scope: str, name: str) -> None:
    fan = {"apiVersion": "example.org/v1", "kind": "Fan", "metadata": {"name": "one"}}
    found = manifest.placed([definition(scope), fan], "lab", lambda _, kind: kind not in objects.CLUSTER_KINDS)
    assert [manifest.child_name("demo", item) for item in found] == ["demo:fans", name]
    assert manifest.child_name("", found[1]) == name.removeprefix("demo:")
    assert manifest.needs(found[1], found) == [0]
    assert manifest.needs(found[0], found) == []


def test_helms_refusal_is_one_sentence() -> None:
    said = "level=WARN msg=x\nError: values don't meet the schema:\ndemo:\n- at '/a': no\n\nUse --debug flag to see more\n"
    assert helm_sentence(said) == "values don't meet the schema: demo: - at '/a': no."
    assert helm_sentence("") == "helm failed without a word."
