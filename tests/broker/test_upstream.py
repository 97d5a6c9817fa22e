"""Images of publishers, fetched from a real registry: unchanged, for our machines, and refused where something is wrong."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3

from infra.lab.bundle import upstream
from infra.lab.bundle.push import Registry
from infra.lab.bundle.upstream import SEVERAL, Upstream
from infra.lab.cluster.images import archive_index
from infra.lab.errors import LabError
from infra.lab.paths import Paths
from infra.registries import RegistryAddress
from tests.support.containerd import Containerd
from tests.support.processes import free_port, wait_until
from tests.support.registry import MANIFEST, DockerRegistry, digest, layer, make_images, registry_in

INDEX = SEVERAL[0]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with registry_in(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "cache", tmp_path / "state")


@pytest.fixture(autouse=True)
def _not_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IOTLAB_SEALED", raising=False)


def _published(registry: DockerRegistry, folder: Path, name: str) -> tuple[Upstream, str]:
    """An image that a publisher has pushed, and its digest."""
    made = make_images(folder, {name: [layer(name), layer("large" * 100_000)]})
    Registry(RegistryAddress.parse(f"http://{registry.address}/publisher"), None).push(made)
    (record,) = made.images
    api = f"http://{registry.address}"
    return Upstream(name, "registry.example", f"publisher/{name}", record.key, "AGPL-3.0", api), record.digest


def _put(registry: DockerRegistry, image: Upstream, tag: str, content: object, media_type: str) -> str:
    text = json.dumps(content).encode()
    url = f"http://{registry.address}/v2/{image.repository}/manifests/{tag}"
    answer = urllib3.request("PUT", url, body=text, headers={"Content-Type": media_type})
    assert answer.status == 201, answer.data
    return digest(text)


def _entry(digest_: str, architecture: str) -> dict[str, object]:
    return {"mediaType": MANIFEST, "digest": digest_, "size": 1, "platform": {"os": "linux", "architecture": architecture}}


def test_an_image_comes_as_an_archive_with_every_digest_as_it_was(registry: DockerRegistry, tmp_path: Path, paths: Paths) -> None:
    image, wanted = _published(registry, tmp_path / "images", "whole")
    fetched = upstream.fetch(image, paths)
    assert fetched.image("whole").digest == wanted
    assert fetched.image("whole").licence == "AGPL-3.0"
    assert archive_index(fetched.archive) == {image.reference: wanted}
    with tarfile.open(fetched.archive) as tar:
        files = [member for member in tar if member.name.startswith("blobs/sha256/") and member.isfile()]
        assert len(files) == 4  # manifest, configuration, two layers
        for member in files:
            content = tar.extractfile(member)
            assert content is not None
            assert digest(content.read()) == f"sha256:{Path(member.name).name}"
    kept = upstream.kept(image, paths)
    assert kept == fetched
    assert not list((paths.cache / "upstream").glob("*.new"))


def test_containerd_takes_the_archive_under_the_publishers_name(registry: DockerRegistry, tmp_path: Path, paths: Paths) -> None:
    image, _ = _published(registry, tmp_path / "images", "imported")
    fetched = upstream.fetch(image, paths)
    (tmp_path / "node").mkdir()
    node = Containerd(tmp_path / "node")
    try:
        node.start()
        node.load(fetched.archive)
        wait_until("the image is known", lambda: node.knows(image.reference), 5)
    finally:
        node.close()


def test_of_several_machines_images_ours_is_taken(registry: DockerRegistry, tmp_path: Path, paths: Paths) -> None:
    image, wanted = _published(registry, tmp_path / "images", "several")
    listed = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [_entry(wanted, "arm64"), _entry(wanted, "amd64")],
    }
    whole = _put(registry, image, "9.9.9", listed, INDEX)
    tagged = replace(image, version="9.9.9")
    session = upstream.reached(tagged)
    assert session
    assert upstream.resolved(tagged, session) == tagged.exact(whole)  # a cluster that pulls chooses for itself
    assert upstream.fetch(tagged, paths).image("several").digest == wanted


def test_an_image_for_other_machines_only_is_refused(registry: DockerRegistry, tmp_path: Path, paths: Paths) -> None:
    image, wanted = _published(registry, tmp_path / "images", "foreign")
    listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [_entry(wanted, "arm64")]}
    _put(registry, image, "9.9.9", listed, INDEX)
    with pytest.raises(LabError, match=r"registry\.example/publisher/foreign:9\.9\.9 is not made for linux/amd64"):
        upstream.fetch(replace(image, version="9.9.9"), paths)
    assert list((paths.cache / "upstream").iterdir()) == []


def test_a_newer_version_takes_the_place_of_the_older(registry: DockerRegistry, tmp_path: Path, paths: Paths) -> None:
    image, wanted = _published(registry, tmp_path / "images", "newer")
    upstream.fetch(image, paths)
    content = json.loads(
        urllib3.request(
            "GET", f"http://{registry.address}/v2/{image.repository}/manifests/{wanted}", headers={"Accept": MANIFEST}
        ).data
    )
    _put(registry, image, "9.9.9", content | {"mediaType": MANIFEST}, MANIFEST)
    upstream.fetch(replace(image, version="9.9.9"), paths)
    assert [folder.name for folder in (paths.cache / "upstream").iterdir()] == ["newer-9.9.9"]
    assert upstream.kept(image, paths) is None


def test_a_version_that_the_registry_does_not_have_cannot_be_had(registry: DockerRegistry, tmp_path: Path, paths: Paths) -> None:
    image, _ = _published(registry, tmp_path / "images", "missing")
    gone = replace(image, version="0.0.0")
    session = upstream.reached(gone)
    assert session
    assert upstream.resolved(gone, session) is None
    with pytest.raises(LabError, match=r"refused registry\.example/publisher/missing:0\.0\.0: MANIFEST_UNKNOWN"):
        upstream.fetch(gone, paths)


def test_a_file_that_is_not_what_its_digest_says_is_refused(registry: DockerRegistry, tmp_path: Path, paths: Paths) -> None:
    image, _ = _published(registry, tmp_path / "images", "damaged")
    large = digest(layer("large" * 100_000))
    damaged = registry.data / "docker/registry/v2/blobs/sha256" / large[7:9] / large[7:] / "data"
    whole = damaged.read_bytes()
    try:
        damaged.write_bytes(whole[:-1] + b"!")
        with pytest.raises(LabError, match=rf"sent another file than {large} of"):
            upstream.fetch(image, paths)
    finally:
        damaged.write_bytes(whole)
    assert upstream.kept(image, paths) is None


def test_a_registry_that_does_not_answer_or_may_not_be_asked_is_none(
    registry: DockerRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, _ = _published(registry, tmp_path / "images", "silent")
    assert upstream.reached(replace(image, api=f"http://127.0.0.1:{free_port()}")) is None
    assert upstream.reached(image)
    monkeypatch.setenv("IOTLAB_SEALED", "1")
    assert upstream.reached(image) is None
