"""The stand-in for pulumi-kubernetes under the real engine: charts."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.support.apiserver import ApiServer
from tests.support.engine import Stack

SCHEMA = (
    '{"type": "object", "additionalProperties": false, "properties": {"text": {"type": "string"}, "fail": {"type": "boolean"}}}'
)
POD = {"containers": [{"name": "main", "image": "none"}]}
TEMPLATES = {
    "objects.yaml": """
        apiVersion: v1
        kind: List
        items:
          - {apiVersion: v1, kind: ConfigMap, metadata: {name: settings, labels: null}, data: {text: {{ .Values.text | quote }}}}
          - {apiVersion: v1, kind: Secret, metadata: {name: login}, stringData: {password: in-the-chart}}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata: {name: {{ .Release.Namespace }}-reader}
        rules: []
        ---
        apiVersion: example.org/v1
        kind: Fan
        metadata: {name: one}
        """,
    "hook.yaml": """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: hook, annotations: {helm.sh/hook: pre-install}}
        """,
    "guard.yaml": '{{ if .Values.fail }}{{ fail "fail must be false: set it so" }}{{ end }}',
}
DEFINITION = """
    apiVersion: apiextensions.k8s.io/v1
    kind: CustomResourceDefinition
    metadata: {name: fans.example.org}
    spec:
      group: example.org
      scope: Namespaced
      names: {kind: Fan, plural: fans}
      versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
    """


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart with a list, a definition and an object of it, a hook, a schema and a guard."""
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "crds").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: demo\nversion: 0.1.0\n")
    (folder / "values.yaml").write_text("text: a\nfail: false\n")
    (folder / "values.schema.json").write_text(SCHEMA)
    (folder / "crds/fan.yaml").write_text(textwrap.dedent(DEFINITION))
    for name, text in TEMPLATES.items():
        (folder / "templates" / name).write_text(textwrap.dedent(text))
    return folder


def inputs(chart: Path, namespace: str, **values: Any) -> dict[str, Any]:  # a chart's values
    return {"chart": str(chart), "namespace": namespace, "values": values}


def test_children_have_the_types_and_names_of_the_published_plugin(
    cluster: ApiServer, stack: Stack, namespace: str, chart: Path
) -> None:
    stack.objects(cluster.kubeconfig, {}, {"demo": inputs(chart, namespace, text="b")})
    assert len(stack.planned()) == 8
    stack.up()
    prefix = "urn:pulumi:test::test::kubernetes:helm.sh/v4:Chart"
    children = {urn.removeprefix(prefix) for urn in stack.resources() if urn.startswith(prefix)}
    assert children == {
        "::demo",
        f"$kubernetes:core/v1:ConfigMap::demo:{namespace}/settings",
        f"$kubernetes:core/v1:Secret::demo:{namespace}/login",
        f"$kubernetes:rbac.authorization.k8s.io/v1:ClusterRole::demo:{namespace}-reader",
        "$kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition::demo:fans.example.org",
        f"$kubernetes:example.org/v1:Fan::demo:{namespace}/one",
    }
    assert "in-the-chart" not in stack.ok("stack", "export")
    assert stack.planned() == {}
    stack.objects(cluster.kubeconfig, {}, {"demo": inputs(chart, namespace, text="c")})
    assert stack.planned() == {f"demo:{namespace}/settings": "update"}
    stack.ok("destroy", "--yes", "--skip-preview")
    assert cluster.api.get("v1", "ConfigMap", namespace, "settings") is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"values": {"txt": "b"}}, "additional properties 'txt' not allowed"),
        ({"values": {"fail": True}}, "fail must be false: set it so"),
        ({"verify": True}, "Chart demo: verify needs the published Kubernetes plugin"),
    ],
)
def test_what_a_chart_refuses_comes_out_as_a_sentence(
    cluster: ApiServer, stack: Stack, chart: Path, given: dict[str, Any], sentence: str
) -> None:
    stack.objects(cluster.kubeconfig, {}, {"demo": inputs(chart, "default") | given})
    said = stack.fails("preview")
    assert sentence in said
    assert "error: Chart demo: " in said


def test_types_that_the_stand_in_does_not_have_are_refused_by_name(cluster: ApiServer, stack: Stack) -> None:
    release = {"release": ("kubernetes:helm.sh/v3:Release", {"chart": "x"})}
    stack.objects(cluster.kubeconfig, release)
    assert "has no kubernetes:helm.sh/v3:Release; use helm.v4.Chart." in stack.fails("preview")


def test_an_unmodified_program_with_an_unknown_value_shows_the_chart_without_children(
    cluster: ApiServer, stack: Stack, namespace: str, chart: Path
) -> None:
    stack.program(f"""
import pulumi_kubernetes as k8s
from infra.services._password import Password
options = pulumi.ResourceOptions(provider=k8s.Provider("cluster", kubeconfig={str(cluster.kubeconfig)!r}))
values = {{"text": Password("p").value}}
chart = k8s.helm.v4.Chart("demo", chart={str(chart)!r}, namespace={namespace!r}, values=values, opts=options)
pulumi.export("objects", chart.resources.apply(lambda found: len(found)))
""")
    assert "Preview is incomplete" in stack.ok("preview")
    assert "kubernetes:core/v1:ConfigMap" not in stack.ok("preview")
    stack.up()
    assert stack.ok("stack", "output", "objects").strip() == "5"
    stack.ok("destroy", "--yes", "--skip-preview")


def test_a_chart_that_does_not_become_ready_ends_the_update_in_good_order_while_another_waits(
    cluster: ApiServer, stack: Stack, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: pods\nversion: 0.1.0\n")
    # without nodes both stay pending: one gives up after 10 s, the other is still waited for then
    (tmp_path / "templates/pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\n"
        'metadata: {name: {{ .Release.Name }}, annotations: {pulumi.com/timeoutSeconds: "{{ .Values.wait }}"}}\n'
        "spec: {containers: [{name: main, image: none}]}\n"
    )
    charts = {name: inputs(tmp_path, namespace, wait=wait) for name, wait in {"first": 10, "second": 20}.items()}
    stack.objects(cluster.kubeconfig, {}, charts)
    said = stack.fails("up", "--yes", "--skip-preview")
    assert f"Pod {namespace}/first did not become ready within 10 s: the pod is Pending" in said
    names = {urn.rsplit("::", 1)[-1] for urn in stack.resources()}
    assert {f"first:{namespace}/first", f"second:{namespace}/second"} <= names


def test_a_chart_still_with_helm_when_another_resource_fails_holds_up_nothing_and_prints_no_stack_trace(
    cluster: ApiServer, stack: Stack, namespace: str, chart: Path, tmp_path: Path
) -> None:
    helm = tmp_path / "helm"
    helm.write_text("#!/bin/sh\nsleep 60\n")
    helm.chmod(0o755)
    stack = Stack(stack.folder, stack.env | {"PATH": f"{tmp_path}:{stack.env['PATH']}"})
    wait = {"pulumi.com/timeoutSeconds": "3"}
    pod = {"metadata": {"name": "first", "namespace": namespace, "annotations": wait}, "spec": POD}
    stack.objects(cluster.kubeconfig, {"first": ("kubernetes:core/v1:Pod", pod)}, {"demo": inputs(chart, namespace)})
    said = stack.fails("up", "--yes", "--skip-preview")
    assert f"Pod {namespace}/first did not become ready within 3 s" in said
    assert "exited prematurely" not in said
    assert "error: Chart demo" not in said
