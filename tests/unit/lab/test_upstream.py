"""Upstream images: where each is found, what is remembered, and the one sentence where it can't be had."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from infra.lab import packing, status, upstream, views
from infra.lab.bundle import ImageRecord, Manifest, handout
from infra.lab.bundle.upstream import UPSTREAM, folder
from infra.lab.errors import LabError, UserError
from infra.lab.lab import Lab as RealLab
from infra.lab.logs import show_logs
from infra.lab.paths import Paths
from infra.lab.stack import private_file, remembered_images
from infra.registries import RegistryAddress
from infra.settings import PROJECT, Settings

GRAFANA = UPSTREAM[0]
DIGEST = "sha256:" + "ab" * 32
SENTENCE = (
    f"grafana is left out: its image {GRAFANA.reference} cannot be had from here "
    "(no container registry answers and no bundle brings it)"
)


class Lab:
    """A lab that only keeps folders and writes down which archives it was given."""

    def __init__(
        self, folder: Path, services: list[str], *, embedded: bool = True, listed: list[list[str]] | None = None
    ) -> None:
        self.paths = Paths(folder / "cache", folder / "state")
        self.settings = Settings.parse({"iotlab:services": services})
        self.embedded = embedded
        self.steps = SimpleNamespace(step=lambda _name: nullcontext())
        self.loaded: list[Path] = []
        self.cluster = SimpleNamespace(load_images=self.loaded.append)
        self.registry: RegistryAddress | None = None
        nodes = {"items": [{"status": {"images": [{"names": names} for names in listed or []]}}]}
        self.kube = SimpleNamespace(get=lambda _what: nodes)


def _bring(lab: Lab) -> dict[str, str]:
    anything: Any = lab
    upstream.bring(anything)
    return lab.settings.images


def _archive(lab: Lab) -> Manifest:
    own = folder(GRAFANA, lab.paths)
    own.mkdir(parents=True)
    record = ImageRecord("grafana", GRAFANA.version, DIGEST, GRAFANA.version, GRAFANA.licence, 1, ())
    made = Manifest(own, (record,))
    made.archive.touch()
    made.write()
    return made


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "reached", lambda _image: None)


def test_a_lab_that_does_not_name_the_service_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "reached", lambda _image: pytest.fail("a registry was asked"))
    lab = Lab(tmp_path, ["core"])
    assert _bring(lab) == {}
    assert upstream.left_out(lab.settings) == {}


@pytest.mark.parametrize("embedded", [True, False])
def test_where_nobody_brings_it_the_sentence_says_so(tmp_path: Path, embedded: bool) -> None:
    lab = Lab(tmp_path, ["core", "observing"], embedded=embedded)
    assert _bring(lab) == {}
    assert upstream.left_out(lab.settings) == {"grafana": SENTENCE}


def test_what_a_bundle_brought_is_loaded_and_named_by_its_digest(tmp_path: Path) -> None:
    lab = Lab(tmp_path, ["core", "observing"])
    made = _archive(lab)
    assert _bring(lab) == {"grafana": f"docker.io/grafana/grafana@{DIGEST}"}
    assert lab.loaded == [made.archive]
    assert lab.settings.has("grafana")


@pytest.mark.parametrize("embedded", [True, False])
def test_what_the_cluster_has_already_is_used_without_asking_a_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedded: bool
) -> None:
    monkeypatch.setattr(upstream, "reached", lambda _image: pytest.fail("a registry was asked"))
    listed = [["docker.io/library/other:1"], [GRAFANA.exact(DIGEST), GRAFANA.reference]]
    lab = Lab(tmp_path, ["core", "observing"], embedded=embedded, listed=listed)
    assert _bring(lab) == {"grafana": GRAFANA.exact(DIGEST)}
    assert lab.loaded == []


def test_a_given_cluster_is_told_the_digest_that_the_registry_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "reached", lambda _image: "session")
    monkeypatch.setattr(upstream, "resolved", lambda image, _session: image.exact(DIGEST))
    assert _bring(Lab(tmp_path, ["core", "observing"], embedded=False)) == {"grafana": GRAFANA.exact(DIGEST)}


def test_what_a_bundle_brought_goes_to_the_registry_that_a_given_cluster_pulls_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "reached", lambda _image: pytest.fail("a publisher was asked"))
    sent: list[tuple[Manifest, RegistryAddress]] = []
    monkeypatch.setattr(upstream, "send", lambda _lab, manifest, address, _what: sent.append((manifest, address)))
    lab = Lab(tmp_path, ["core", "observing"], embedded=False)
    lab.registry = RegistryAddress.parse("registry.example/team")
    made = _archive(lab)
    assert _bring(lab) == {"grafana": f"registry.example/team/grafana@{DIGEST}"}
    assert sent == [(made, lab.registry)]


def test_a_given_cluster_without_a_registry_is_sent_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "send", lambda *_: pytest.fail("something was sent"))
    lab = Lab(tmp_path, ["core", "observing"], embedded=False)
    _archive(lab)
    assert _bring(lab) == {}


def test_the_archive_of_a_stack_carries_its_publishers_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[object] = []

    def write(manifest: Manifest, file: Path, brought: object) -> int:
        handed.extend([manifest, file, brought])
        return 1

    monkeypatch.setattr(handout, "write_images", write)
    lab: Any = Lab(tmp_path, ["core", "observing"])
    own = Manifest(tmp_path, ())
    lab.bundle = SimpleNamespace(check=lambda: None, ensure=lambda: own, folder=tmp_path)
    lab.toolchain = SimpleNamespace(ensure=lambda _part: None)
    made = _archive(lab)
    packing.write_images(lab, tmp_path / "images.tar")
    assert handed == [own, tmp_path / "images.tar", [(GRAFANA, made)]]


def test_a_fetch_that_fails_leaves_the_service_out_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(*_: object) -> Manifest:
        raise UserError("the registry went away; run it again.")

    monkeypatch.setattr(upstream, "reached", lambda _image: "session")
    monkeypatch.setattr(upstream, "fetch", fetch)
    assert _bring(Lab(tmp_path, ["core", "observing"])) == {}
    assert "cannot be had from here (the registry went away; run it again)" in " ".join(capsys.readouterr().err.split())


def test_a_cluster_that_does_not_tell_its_images_is_no_failure(tmp_path: Path) -> None:
    def get(_what: str) -> dict[str, Any]:
        raise LabError("the cluster gave no answer")

    lab = Lab(tmp_path, ["core", "observing"])
    lab.kube = SimpleNamespace(get=get)
    assert _bring(lab) == {}


def test_what_was_found_is_remembered_in_the_stacks_private_file(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    assert remembered_images(paths, "local") == {}
    paths.pulumi.mkdir(parents=True)
    file = paths.pulumi / "Pulumi.local.yaml"
    file.write_text(yaml.safe_dump({"encryptionsalt": "x"}))
    assert remembered_images(paths, "local") == {}
    file.write_text(yaml.safe_dump({"config": {f"{PROJECT}:images": {"grafana": GRAFANA.exact(DIGEST)}}}))
    assert remembered_images(paths, "local") == {"grafana": GRAFANA.exact(DIGEST)}


def test_a_plain_pulumi_sees_what_the_last_up_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOTLAB_STATE", str(tmp_path))
    lab = RealLab()
    lab.paths.pulumi.mkdir(parents=True)
    images = {"grafana": GRAFANA.exact(DIGEST), "kafka": "localhost/iotlab/kafka@old"}
    private_file(lab.paths, "local").write_text(yaml.safe_dump({"config": {f"{PROJECT}:images": images}}))
    made = Manifest(tmp_path, (ImageRecord("kafka", "k", DIGEST, "1", "Apache-2.0", 1, ()),))
    assert lab.settings.images == {"grafana": GRAFANA.exact(DIGEST)}
    assert lab.references(made) == made.references() | lab.settings.images


def test_the_log_of_a_service_that_is_left_out_is_answered_with_the_sentence(tmp_path: Path) -> None:
    lab: Any = Lab(tmp_path, ["core", "observing"])
    lab.part_logs = dict
    with pytest.raises(UserError, match=re.escape(SENTENCE)):
        show_logs(lab, "grafana", follow=False, tail=1)


def test_status_says_the_sentence_as_text_and_under_its_key(capsys: pytest.CaptureFixture[str]) -> None:
    found = status.LabStatus(None, (), (), None, None, {"grafana": SENTENCE})
    assert found.ok
    assert json.loads(json.dumps(found.as_json()))["left_out"] == {"grafana": SENTENCE}
    views.show_status(found)
    assert SENTENCE in " ".join(capsys.readouterr().out.split())


def test_another_version_of_the_image_is_another_folder(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    assert folder(GRAFANA, paths) != folder(replace(GRAFANA, version="0.0.0"), paths)
