"""Images in a real registry: unchanged by digest, sent once, and only with the login that it wants."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from infra.lab.bundle.credentials import Login, login_for
from infra.lab.bundle.manifest import Manifest
from infra.lab.bundle.push import Registry
from infra.lab.errors import UserError
from infra.registries import RegistryAddress
from tests.support.processes import free_port
from tests.support.registry import MANIFEST, PASSWORD, USER, DockerRegistry, digest, layer, make_images


def _running(server: DockerRegistry) -> Iterator[DockerRegistry]:
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    yield from _running(DockerRegistry(tmp_path_factory.mktemp("registry")))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """A registry that wants a login."""
    yield from _running(DockerRegistry(tmp_path_factory.mktemp("closed"), login=True))


@pytest.fixture
def images(tmp_path: Path) -> Manifest:
    """Two images on one shared layer."""
    shared = layer("shared" * 1000)
    return make_images(tmp_path / "images", {"kafka": [shared, layer("kafka")], "apps": [shared, layer("apps")]})


def address(server: DockerRegistry, prefix: str) -> RegistryAddress:
    return RegistryAddress.parse(f"http://{server.address}/{prefix}")


def get(server: DockerRegistry, path: str) -> bytes:
    answer = urllib3.request("GET", f"http://{server.address}/v2/{path}", headers={"Accept": MANIFEST})
    assert answer.status == 200, answer.data
    return answer.data


def test_every_digest_stays_what_it_was(registry: DockerRegistry, images: Manifest) -> None:
    there = address(registry, "team/one")
    Registry(there, None).push(images)
    for image in images.images:
        repository = f"team/one/{image.name}"
        assert there.reference(image.name, image.digest) == f"{registry.address}/{repository}@{image.digest}"
        text = get(registry, f"{repository}/manifests/{image.digest}")
        assert digest(text) == image.digest
        assert digest(get(registry, f"{repository}/manifests/{image.key}")) == image.digest
        described = json.loads(text)
        for part in (described["config"], *described["layers"]):
            assert digest(get(registry, f"{repository}/blobs/{part['digest']}")) == part["digest"]


def test_what_images_share_is_sent_once_and_a_second_push_sends_nothing(registry: DockerRegistry, images: Manifest) -> None:
    there = address(registry, "two")
    first = Registry(there, None).push(images)
    assert (first.sent, first.there) == (7, 1)  # 2 manifests, 2 configurations, 3 layers; the shared one is there for the second
    second = Registry(there, None).push(images)
    assert (second.sent, second.sent_bytes, second.there) == (0, 0, 8)


def test_a_push_that_was_cut_off_goes_on(registry: DockerRegistry, images: Manifest) -> None:
    there = address(registry, "three")
    half = Manifest(images.folder, images.images[:1])
    Registry(there, None).push(half)
    assert Registry(there, None).push(images).sent == 3  # the manifest, configuration and own layer of the other image


def test_a_login_is_taken_from_dockers_own_file(
    closed: DockerRegistry, images: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {closed.address: {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert Registry(address(closed, "lab"), login_for(closed.address)).push(images).sent == 7


@pytest.mark.parametrize("login", [None, Login(USER, "wrong")], ids=["none", "wrong"])
def test_without_the_right_login_the_sentence_says_how_to_get_it(
    closed: DockerRegistry, images: Manifest, login: Login | None
) -> None:
    with pytest.raises(UserError, match=rf"does not let this machine send images \(401\): docker login {closed.address}"):
        Registry(address(closed, "lab"), login).push(images)


def test_a_registry_that_is_not_there_is_named(images: Manifest) -> None:
    port = free_port()
    with pytest.raises(UserError, match=rf"the registry 127\.0\.0\.1:{port} .* does not answer over http: "):
        Registry(RegistryAddress.parse(f"http://127.0.0.1:{port}"), None).push(images)


def test_a_server_that_speaks_no_https_is_named(registry: DockerRegistry, images: Manifest) -> None:
    with pytest.raises(UserError, match="does not answer over https"):
        Registry(RegistryAddress.parse(registry.address), None).push(images)
