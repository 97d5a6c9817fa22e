"""A change of the Kubernetes plugin: its objects are forgotten, passwords and their ties stay."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.lab import kubernetes_plugin
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
    calls: list[tuple[list[str], str]] = []

    def run(words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append((words, options.get("input", "")))
        return subprocess.CompletedProcess(words, 0, stdout=json.dumps(state), stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    kubernetes_plugin.hand_over({}, "local")
    (written,) = [json.loads(text) for words, text in calls if words[:3] == ["pulumi", "stack", "import"]]
    assert [(kept["urn"], kept["dependencies"]) for kept in written["deployment"]["resources"]] == [(PASSWORD, [])]
    (deleted,) = [words for words, _ in calls if words[0] == "kubectl"]
    assert "persistentvolumeclaims" not in deleted[2]


def test_a_change_is_noticed_only_after_a_first_up(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path)
    paths.pulumi.mkdir()
    assert not kubernetes_plugin.changed(paths, standin=True)
    kubernetes_plugin.remember(paths, standin=True)
    assert not kubernetes_plugin.changed(paths, standin=True)
    assert kubernetes_plugin.changed(paths, standin=False)


def test_a_sealed_lab_does_not_try_to_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOTLAB_SEALED", "1")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it tried"))
    assert kubernetes_plugin.choose(Paths(tmp_path, tmp_path), {})


def test_a_download_site_that_is_silent_costs_no_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_url: str, _timeout_s: float) -> None:
        raise TimeoutError

    monkeypatch.delenv("IOTLAB_SEALED", raising=False)
    monkeypatch.setattr(kubernetes_plugin, "open_https", silent)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it tried"))
    assert kubernetes_plugin.choose(Paths(tmp_path, tmp_path), {})
