"""`./lab render`: the stack's objects as plain YAML; the values are the program's, a password is nowhere."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.lab import render
from infra.lab.errors import LabError
from infra.settings import SETS
from tests.support.program import IMAGES

SETTINGS: dict[str, object] = {"images": IMAGES, "kubeconfig": "/nowhere/kubeconfig", "services": list(SETS)}


@pytest.fixture(scope="module")
def rendered() -> tuple[dict[str, str], dict[str, Any]]:
    """The files, and release -> values that helm was given; helm itself answers with an object of that name."""
    given: dict[str, Any] = {}

    def helm(words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        given[words[2]] = yaml.safe_load(options["input"])
        return subprocess.CompletedProcess(words, 0, f"---\nkind: Deployment\nmetadata: {{name: {words[2]}}}\n", "")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(subprocess, "run", helm)
        return render.rendered(SETTINGS, {}), given


def test_there_is_a_file_for_each_service_with_the_values_of_the_program(
    rendered: tuple[dict[str, str], dict[str, Any]],
) -> None:
    files, charts = rendered
    services = {service for one in SETS.values() for service in one}
    assert set(files) == {f"{service}.yaml" for service in services} | {"lab.yaml", "secrets.yaml"}
    assert charts["bridge"]["image"] == IMAGES["apps"]
    assert isinstance(charts["kafka"]["volumeGb"], int)
    assert all(text.startswith(render.NOTE) for text in files.values())


def test_a_secret_is_told_by_name_and_keys_and_its_value_is_nowhere(rendered: tuple[dict[str, str], dict[str, Any]]) -> None:
    files, _ = rendered
    assert "generated" not in "".join(files.values()).replace("Written by", "")
    assert "# Secret jupyter-users, keys: jupyter. By hand: kubectl create secret generic jupyter-users" in files["secrets.yaml"]
    assert render.MARK not in "".join(files.values())
    assert all(line.startswith("#") for line in files["secrets.yaml"].splitlines())


def test_the_programs_own_objects_are_whole(rendered: tuple[dict[str, str], dict[str, Any]]) -> None:
    files, _ = rendered
    found = [loaded for loaded in yaml.safe_load_all(files["lab.yaml"]) if loaded]
    assert {("Namespace", "iotlab"), ("Namespace", "lessons"), ("NetworkPolicy", "default-deny")} <= {
        (one["kind"], one["metadata"]["name"]) for one in found
    }
    assert all("apiVersion" in one for one in found)


def test_what_helm_refuses_is_one_sentence_with_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = subprocess.CompletedProcess([], 1, "", "Error: values don't meet the schema\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    with pytest.raises(LabError, match=r"^kafka: values don't meet the schema\.$"):
        render.rendered(SETTINGS | {"services": ["kafka"]}, {})


def test_files_of_an_earlier_run_go_and_a_persons_own_stay(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("kind: Pod\n")
    render.write(tmp_path, {"old.yaml": render.NOTE, "kafka.yaml": render.NOTE})
    render.write(tmp_path, {"kafka.yaml": render.NOTE + "kind: Service\n"})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["kafka.yaml", "mine.yaml"]
