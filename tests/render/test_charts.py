"""What must hold for whatever the charts render."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from infra import versions, wiring
from infra.lab import charts_readme
from infra.lab.bundle.upstream import UPSTREAM
from tests.support.charts import CHARTS, cases, helm, pod_templates, rendered, rendered_text, templates

MOST_LINES = 80
CLUSTER = ".".join(versions.KUBERNETES.split(".")[:2])
LINT = YamlLintConfig(
    "{extends: default, rules: {line-length: disable, trailing-spaces: disable, comments: disable, "
    "comments-indentation: disable, "
    "document-start: disable, indentation: {indent-sequences: whatever}, braces: {max-spaces-inside: 1}, commas: disable, "
    "truthy: enable, empty-lines: disable, octal-values: disable}}"
)
ALONE = {
    "mosquitto": "one broker holds all sessions: a budget of one would only keep its node from being drained",
    "influxdb": "one server holds all series, as above",
    "kafka": "with one node as above; with three there is a budget",
    "app": "with one pod as above; from two on there is a budget",
    "camunda": "its database is a file that one process may open",
    "node-red": "one editor writes its flows, and one session at Mosquitto has their messages",
    "ingress": "as above; it starts within seconds and keeps nothing",
    "jupyter": "one server for one person's home, as with one broker",
    "grafana": "one server holds the database of its users and dashboards",
    "registry": "one server writes its volume",
    "headlamp": "as with the ingress; it keeps nothing",
}
BY_VERSION = {
    "StatefulSet/grafana": "its publisher's image, not built by the lab: where no registry tells its digest, its version must do",
    "Deployment/headlamp": "as above",
}
SPEAKS_TO_THE_API = {
    "Deployment/ingress": "it reads the Ingress objects of its namespace",
    "StatefulSet/jupyter": "lessons run kubectl",
    "Deployment/headlamp": "it passes on what its visitors' own tokens allow; its own account may do nothing",
}
LOOKS = {"get", "list", "watch"}


@pytest.fixture(params=sorted(cases()))
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def _volumes(template: dict[str, Any]) -> list[dict[str, Any]]:
    volumes = template["spec"].get("volumes", [])
    return [source for volume in volumes for source in (volume["projected"]["sources"] if "projected" in volume else [volume])]


def test_it_fits_the_schema_of_the_clusters_version(case: str) -> None:
    for found in rendered(case):
        kubernetes_validate.validate(found, CLUSTER, strict=True)


def test_helm_lint_finds_nothing(case: str) -> None:
    _, chart, values = cases()[case]
    done = helm("lint", "--strict", str(CHARTS / chart), values=values)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_yaml_is_clean(case: str) -> None:
    problems = [str(problem) for problem in linter.run(rendered_text(case), LINT)]
    assert problems == []


def test_every_pod_is_restricted(case: str) -> None:
    for name, template in pod_templates(rendered(case)):
        pod = template["spec"]["securityContext"]
        assert pod["runAsNonRoot"] is True, name
        assert pod["runAsUser"] > 0, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert template["spec"]["automountServiceAccountToken"] is (name in SPEAKS_TO_THE_API), name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(template["spec"]), name
        assert all({"configMap", "secret", "emptyDir", "persistentVolumeClaim"} & set(source) for source in _volumes(template)), (
            name
        )
        for container in _containers(template):
            wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
            assert container["securityContext"] == wanted, f"{name} {container['name']}"
            assert not any("hostPort" in port for port in container.get("ports", [])), f"{name} {container['name']}"


def test_every_image_is_named_by_its_digest(case: str) -> None:
    for name, template in pod_templates(rendered(case)):
        for container in _containers(template):
            if "@sha256:" not in container["image"]:
                assert name in BY_VERSION, f"{name} {container['name']}"
                assert container["image"] in {image.reference for image in UPSTREAM}, f"{name} {container['name']}"


def test_every_container_says_what_it_needs_and_may_take(case: str) -> None:
    for name, template in pod_templates(rendered(case)):
        for container in _containers(template):
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), f"{name} {container['name']}"
            assert "memory" in container["resources"]["limits"], f"{name} {container['name']}"  # why no CPU limit: charts/common


def test_every_service_is_probed(case: str) -> None:
    for name, template in pod_templates(rendered(case)):
        if not name.startswith("Job/"):
            for container in template["spec"]["containers"]:
                assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), name


def test_every_service_has_a_disruption_budget_or_a_reason(case: str) -> None:
    objects = rendered(case)
    budgets = sum(found["kind"] == "PodDisruptionBudget" for found in objects)
    for found in objects:
        if found["kind"] in {"Deployment", "StatefulSet"}:
            assert budgets == (1 if found["spec"]["replicas"] > 1 else 0)
            assert budgets or cases()[case][1] in ALONE


def test_every_pod_is_under_a_policy_of_its_own_in_both_directions(case: str) -> None:
    objects = rendered(case)
    policies = [found["spec"] for found in objects if found["kind"] == "NetworkPolicy"]
    for name, template in pod_templates(objects):
        label = {"app.kubernetes.io/name": template["metadata"]["labels"]["app.kubernetes.io/name"]}
        chosen = [policy for policy in policies if policy["podSelector"]["matchLabels"] == label]
        assert len(chosen) == 1, name
        assert sorted(chosen[0]["policyTypes"]) == ["Egress", "Ingress"], name


def test_labels_are_complete_and_no_hook_is_used(case: str) -> None:
    wanted = {f"app.kubernetes.io/{key}" for key in ("name", "instance", "part-of", "managed-by")}
    for found in rendered(case):
        assert wanted <= set(found["metadata"]["labels"]), found["metadata"]["name"]
        assert not any(key.startswith("helm.sh/hook") for key in found["metadata"].get("annotations", {}))


def test_only_a_pod_that_speaks_to_the_api_has_an_account_and_the_account_may_only_read(case: str) -> None:
    objects = rendered(case)
    named = {name: template["spec"].get("serviceAccountName") for name, template in pod_templates(objects)}
    accounts = {found["metadata"]["name"] for found in objects if found["kind"] == "ServiceAccount"}
    assert {name for name, account in named.items() if account} == set(named) & set(SPEAKS_TO_THE_API)
    assert {account for account in named.values() if account} == accounts
    for role, rule in ((found, rule) for found in objects for rule in found.get("rules", [])):
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
        elsewhere = role["kind"] == "Role" and role["metadata"]["namespace"] != wiring.NAMESPACE  # the room for lessons
        assert set(rule["verbs"]) <= LOOKS or rule["resources"] == ["ingresses/status"] or elsewhere
        assert not (role["kind"] == "ClusterRole" and "secrets" in rule["resources"])


def test_lessons_may_change_what_they_made_and_never_see_a_secret(case: str) -> None:
    if cases()[case][1] != "jupyter":
        return
    roles = {found["metadata"]["namespace"]: found["rules"] for found in rendered(case) if found["kind"] == "Role"}
    named = {resource for rules in roles.values() for rule in rules for resource in rule["resources"]}
    assert not {resource for resource in named if resource.split("/")[0] in {"secrets", "serviceaccounts", "roles", "nodes"}}
    own = roles.pop(wiring.NAMESPACE)
    assert {verb for rule in own for verb in rule["verbs"]} <= LOOKS
    assert "pods/exec" not in {resource for rule in own for resource in rule["resources"]}
    (lessons,) = roles
    bound = [(one["metadata"]["namespace"], one["subjects"]) for one in rendered(case) if one["kind"] == "RoleBinding"]
    account = {"kind": "ServiceAccount", "name": "jupyter", "namespace": wiring.NAMESPACE}
    assert sorted(bound, key=lambda one: str(one[0])) == [(space, [account]) for space in sorted((wiring.NAMESPACE, lessons))]


def test_the_page_of_the_cluster_has_no_rights_of_its_own(case: str) -> None:
    if cases()[case][1] == "headlamp":
        kinds = {found["kind"] for found in rendered(case)}
        assert not {kind for kind in kinds if "Role" in kind}
        assert "unsafe" not in rendered_text(case)  # its flag that gives everybody the pod's own token


def test_no_secret_is_rendered(case: str) -> None:
    assert all(found["kind"] != "Secret" for found in rendered(case))
    assert "generated-for-" not in rendered_text(case)  # the password values of the recorded program


def test_a_configmap_changes_its_name_with_its_content(case: str) -> None:
    names = [found["metadata"]["name"] for found in rendered(case) if found["kind"] == "ConfigMap"]
    text = rendered_text(case)
    for name in names:
        assert text.count(f"name: {name}") > 1, f"{name} is used by nobody"
        assert len(name.rsplit("-", 1)[1]) == 8, name


@pytest.mark.parametrize("template", templates(), ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_a_template_is_short_and_makes_one_kind(template: Any) -> None:
    text = template.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert text.count("\nkind: ") + text.startswith("kind: ") <= 1


def test_values_and_readmes_are_what_the_schemas_say() -> None:
    assert charts_readme.stale() == []


def test_charts_carry_the_projects_version() -> None:
    for folder in charts_readme.charts():
        assert yaml.safe_load((folder / "Chart.yaml").read_text())["version"] == versions.LAB, folder.name
