"""The file of `lab bundle images` in a real containerd: kubelet finds each image by the digest that the pods ask for."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from infra.lab.bundle.handout import write_images
from infra.lab.bundle.manifest import Manifest
from infra.lab.bundle.upstream import Upstream
from tests.support.containerd import Containerd
from tests.support.processes import wait_until
from tests.support.registry import layer, make_images


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Containerd]:
    folder = tmp_path / "node"
    folder.mkdir()
    running = Containerd(folder)
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture
def images(tmp_path: Path) -> Manifest:
    return make_images(tmp_path / "images", {"kafka": [layer("shared"), layer("kafka")], "apps": [layer("shared")]})


def test_an_image_is_known_by_tag_and_by_the_digest_that_pods_ask_for(node: Containerd, images: Manifest, tmp_path: Path) -> None:
    write_images(images, tmp_path / "images.tar")
    node.load(tmp_path / "images.tar")
    for image in images.images:
        wait_until(f"{image.reference} is known", partial(node.knows, image.reference), 5)
        wait_until(f"{image.tag} is known", partial(node.knows, image.tag), 5)
    assert not node.knows(images.images[0].reference[:-1] + "0")


def test_a_publishers_image_is_known_by_its_publishers_names(node: Containerd, images: Manifest, tmp_path: Path) -> None:
    brought = make_images(tmp_path / "brought", {"grafana": [layer("theirs")]})
    (record,) = brought.images
    publisher = Upstream("grafana", "registry.example", "publisher/grafana", "9.9.9", "AGPL-3.0", "registry.example")
    write_images(images, tmp_path / "images.tar", [(publisher, brought)])
    node.load(tmp_path / "images.tar")
    for name in (publisher.reference, publisher.exact(record.digest), *(image.reference for image in images.images)):
        wait_until(f"{name} is known", partial(node.knows, name), 5)
    assert not node.knows(record.reference)


def test_the_importers_own_digests_would_not_do(node: Containerd, images: Manifest) -> None:
    node.load(images.archive)
    wait_until("the import has come through", lambda: node.knows(images.images[0].tag), 5)
    assert not node.knows(images.images[0].reference)


def test_docker_without_containerds_store_finds_its_own_list(images: Manifest, tmp_path: Path) -> None:
    write_images(images, tmp_path / "images.tar")
    with tarfile.open(tmp_path / "images.tar") as tar:
        listed = tar.extractfile("manifest.json")
        assert listed is not None
        for entry, image in zip(json.load(listed), images.images, strict=True):
            assert entry["RepoTags"] == [image.tag]
            for path in (entry["Config"], *entry["Layers"]):
                assert tar.getmember(path).isfile()


def test_the_same_images_give_the_same_file(images: Manifest, tmp_path: Path) -> None:
    write_images(images, tmp_path / "one.tar")
    write_images(images, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
