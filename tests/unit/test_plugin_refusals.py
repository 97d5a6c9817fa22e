"""What the plugins say when something can't be done."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2 as messages

from infra.lab.errors import UserError
from infra.lab.plugins.iotlab.provider import Iotlab
from infra.lab.plugins.kubernetes import apply, helm, kubeconfig
from infra.lab.plugins.kubernetes.api import ApiError, Kind
from infra.lab.plugins.values import UNKNOWN, Properties, Secret, from_struct, to_struct

URN = "urn:pulumi:local::iotlab::iotlab:index:Password::login"
OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}


def config(**user: Any) -> dict[str, Any]:
    return {
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": "https://127.0.0.1:6443/"}}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me", "namespace": "iotlab"}}],
    }


def test_a_kubeconfig_is_read_from_text_a_path_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config(token="t")))
    monkeypatch.setenv("KUBECONFIG", str(path))
    for given in (None, str(path), path.read_text()):
        cluster = kubeconfig.load(given)
        assert (cluster.server, cluster.namespace) == ("https://127.0.0.1:6443", "iotlab")
        assert cluster.headers == {"Authorization": "Bearer t"}


def test_a_kubeconfigs_command_gives_the_credentials(tmp_path: Path) -> None:
    command = tmp_path / "get-token"
    command.write_text('#!/bin/sh\necho "{\\"status\\": {\\"token\\": \\"$WORD\\"}}"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    given = config(exec={"command": str(command), "env": [{"name": "WORD", "value": "from-the-command"}]})
    assert kubeconfig.load(json.dumps(given)).headers == {"Authorization": "Bearer from-the-command"}
    given = config(exec={"command": str(tmp_path / "missing")})
    with pytest.raises(UserError, match="gave no credentials"):
        kubeconfig.load(json.dumps(given))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("{}", "no context named ''"),
        ("{", "not valid YAML"),
        ("{[]", "not valid YAML"),
        (json.dumps(config() | {"clusters": []}), "no cluster named 'lab'"),
        (json.dumps(config(**{"client-key": "/nowhere", "client-certificate-data": "!"})), "can't be read"),
        (
            json.dumps(config(**{f"client-{part}-data": base64.b64encode(b"x").decode() for part in ("key", "certificate")})),
            "PEM",
        ),
        ("/nowhere/kubeconfig", "No kubeconfig at /nowhere/kubeconfig"),
    ],
)
def test_a_broken_kubeconfig_is_refused_in_a_sentence(given: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        kubeconfig.load(given)


def test_another_server_is_another_cluster_and_another_certificate_is_not() -> None:
    one, same = json.dumps(config(token="a")), json.dumps(config(token="b"))
    assert kubeconfig.identity(one) == kubeconfig.identity(same)
    assert kubeconfig.identity(one.replace("6443", "7443")) != kubeconfig.identity(one)
    assert kubeconfig.identity("{}") is None


def test_a_conflict_names_the_field_the_other_manager_and_the_way_out() -> None:
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl-edit" using v1', "field": ".data.a"}
    error = ApiError(409, {"reason": "Conflict", "message": "Apply failed", "details": {"causes": [cause]}})
    said = str(apply.explained(error, OBJECT))
    assert said.startswith("ConfigMap b/a: .data.a was set to another value by kubectl-edit.")
    assert 'pulumi.com/patchForce: "true"' in said


def test_any_other_refusal_is_the_servers_own_sentence() -> None:
    assert str(apply.explained(ApiError(422, {"message": "no"}), OBJECT)) == "ConfigMap b/a: the API server refuses it: no"
    assert str(ApiError(500, {})) == "the API server answered 500"


def test_paths_of_the_api() -> None:
    assert Kind("v1", "configmaps", namespaced=True).path("b", "a") == "/api/v1/namespaces/b/configmaps/a"
    assert Kind("v1", "configmaps", namespaced=True).path(None) == "/api/v1/configmaps"
    roles = Kind("rbac.authorization.k8s.io/v1", "clusterroles", namespaced=False)
    assert roles.path("b", "system:node") == "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode"


@pytest.mark.parametrize(
    "arguments", [{"verify": True}, {"postRenderer": {"command": "x"}}, {"repositoryOpts": {"password": "p"}}]
)
def test_a_chart_with_what_the_stand_in_cannot_do_is_refused(
    arguments: Properties, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "helm").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="Chart demo: "):
        helm.rendered("demo", {"chart": "x"} | arguments, "default", None)


def test_a_missing_helm_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="helm is not on PATH"):
        helm.rendered("demo", {"chart": "x"}, "default", None)


@pytest.mark.parametrize(
    ("inputs", "property_name"),
    [
        ({"length": 15}, "length"),
        ({"length": 129}, "length"),
        ({"length": "x"}, "length"),
        ({"rotation": -1}, "rotation"),
        ({"a": 1}, "a"),
    ],
)
def test_a_password_refuses_what_makes_no_sense(inputs: Properties, property_name: str) -> None:
    answer = Iotlab("127.0.0.1:1").check(messages.CheckRequest(urn=URN, news=to_struct(inputs)))
    assert [failure.property for failure in answer.failures] == [property_name]


def test_a_password_is_as_long_as_asked_secret_and_unknown_in_a_preview() -> None:
    plugin = Iotlab("127.0.0.1:1")
    inputs = from_struct(plugin.check(messages.CheckRequest(urn=URN, news=to_struct({"length": 20}))).inputs)
    assert inputs == {"length": 20, "rotation": 0}
    made = [
        from_struct(plugin.create(messages.CreateRequest(urn=URN, properties=to_struct(inputs))).properties) for _ in range(2)
    ]
    values = {item["value"].value for item in made}
    assert [len(value) for value in values] == [20, 20]
    previewed = plugin.create(messages.CreateRequest(urn=URN, properties=to_struct(inputs), preview=True))
    assert from_struct(previewed.properties)["value"] == Secret(UNKNOWN)


def test_another_type_of_the_labs_package_is_refused() -> None:
    with pytest.raises(UserError, match="has no type iotlab:index:Other"):
        Iotlab("127.0.0.1:1").check(messages.CheckRequest(urn=URN.replace("Password", "Other")))
