"""A change of the Kubernetes plugin: its objects are forgotten, passwords and their ties stay."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.lab import kubernetes_plugin
from infra.lab.console import Steps
from infra.lab.errors import LabError
from infra.lab.paths import Paths

PASSWORD = "urn:pulumi:local::iotlab::iotlab:services:Mosquitto$iotlab:index:Password::mosquitto-lab"
SECRET = "urn:pulumi:local::iotlab::iotlab:services:Mosquitto$kubernetes:core/v1:Secret::mosquitto-users"


def entry(urn: str, **more: Any) -> dict[str, Any]:
    return {"urn": urn, "type": urn.split("::")[2].rsplit("$", maxsplit=1)[-1], **more}


def test_handing_over_forgets_kubernetes_objects_and_keeps_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {
        "deployment": {
            "resources": [
                entry("urn:pulumi:local::iotlab::pulumi:providers:kubernetes::cluster"),
                entry(PASSWORD, dependencies=[SECRET], provider="urn:iotlab"),
                entry(SECRET, dependencies=[PASSWORD]),
            ]
        }
    }
    calls = engine_and_kubectl(monkeypatch, state)
    kubernetes_plugin.hand_over({}, "local")
    (written,) = [json.loads(text) for words, text in calls if words[:3] == ["pulumi", "stack", "import"]]
    assert [(kept["urn"], kept["dependencies"]) for kept in written["deployment"]["resources"]] == [(PASSWORD, [])]


def engine_and_kubectl(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, Any], kubectl_code: int = 0
) -> list[tuple[list[str], str]]:
    """Stand-ins that keep what they were called with."""
    calls: list[tuple[list[str], str]] = []

    def run(words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append((words, options.get("input", "")))
        code = kubectl_code if words[0] == "kubectl" else 0
        return subprocess.CompletedProcess(words, code, stdout=json.dumps(state), stderr="it will not\n" if code else "")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def of(kind: str, name: str, **more: Any) -> dict[str, Any]:
    """An entry for a Kubernetes object; `kind` as in its type, `name` as its id."""
    return entry(f"urn:pulumi:local::iotlab::kubernetes:{kind}::{name.replace('/', '-')}", id=name, **more)


def test_exactly_the_objects_of_the_state_are_deleted_but_no_claim_and_no_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    resources = [
        of("core/v1:Namespace", "iotlab", retainOnDelete=True),
        of("core/v1:PersistentVolumeClaim", "iotlab/notebooks"),
        of("core/v1:ConfigMap", "iotlab/kafka-topics"),
        of("networking.k8s.io/v1:IngressClass", "iotlab"),
        of("rbac.authorization.k8s.io/v1:Role", "iotlab/ingress"),
        entry("urn:pulumi:local::iotlab::kubernetes:helm.sh/v4:Chart::kafka"),
    ]
    calls = engine_and_kubectl(monkeypatch, {"deployment": {"resources": resources}})
    kubernetes_plugin.hand_over({}, "local")
    ((words, listed),) = [(words, text) for words, text in calls if words[0] == "kubectl"]
    assert "--all" not in words
    assert [(item["apiVersion"], item["kind"], item["metadata"]) for item in json.loads(listed)["items"]] == [
        ("v1", "ConfigMap", {"name": "kafka-topics", "namespace": "iotlab"}),
        ("networking.k8s.io/v1", "IngressClass", {"name": "iotlab"}),
        ("rbac.authorization.k8s.io/v1", "Role", {"name": "ingress", "namespace": "iotlab"}),
    ]


def test_objects_that_could_not_be_deleted_are_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"deployment": {"resources": [of("core/v1:ConfigMap", "iotlab/kafka")]}}
    calls = engine_and_kubectl(monkeypatch, state, kubectl_code=1)
    with pytest.raises(LabError, match=r"kubectl delete .*it will not"):
        kubernetes_plugin.hand_over({}, "local")
    assert not [words for words, _ in calls if "import" in words]


def test_a_change_is_noticed_only_after_a_first_up_and_for_each_stack_alone(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path)
    paths.pulumi.mkdir()
    assert not kubernetes_plugin.changed(paths, "local", standin=True)
    kubernetes_plugin.remember(paths, "local", standin=True)
    assert not kubernetes_plugin.changed(paths, "local", standin=True)
    assert kubernetes_plugin.changed(paths, "local", standin=False)
    assert not kubernetes_plugin.changed(paths, "kind", standin=False)
    kubernetes_plugin.forget(paths, "local")
    assert kubernetes_plugin.used(paths, "local") is None


def test_a_sealed_lab_does_not_try_to_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOTLAB_SEALED", "1")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it tried"))
    paths = Paths(tmp_path, tmp_path)
    assert kubernetes_plugin.choose(paths, {}, Steps(paths))


def test_a_download_site_that_is_silent_costs_no_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_url: str, _timeout_s: float) -> None:
        raise TimeoutError

    monkeypatch.delenv("IOTLAB_SEALED", raising=False)
    monkeypatch.setattr(kubernetes_plugin, "open_https", silent)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it tried"))
    paths = Paths(tmp_path, tmp_path)
    assert kubernetes_plugin.choose(paths, {}, Steps(paths))
