"""Keys follow content, manifests come back as they were written, and an archive names what it carries."""

from __future__ import annotations

import json
import struct
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.lab.bundle import ImageRecord, Manifest, images, jars
from infra.lab.bundle.bundle import CONTAINERD_NAME, REFERENCE_NAME, Bundle, name_images, pack
from infra.lab.bundle.images import BY_NAME, Image
from infra.lab.bundle.inputs import Debs, Making, Program, is_static
from infra.lab.bundle.inventory import inventory
from infra.lab.bundle.manifest import ARCHIVE, Package
from infra.lab.console import Steps
from infra.lab.errors import LabError
from infra.lab.paths import Paths
from infra.lab.toolchain import java
from infra.settings import NEEDS, UPSTREAM

DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    """An image on top of another, both in folders of the test's own."""
    for name in ("parent", "child"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Containerfile").write_text(f"FROM {name}\n")
    parent = Image("parent", "", tmp_path / "parent", (), "1", "MIT")
    monkeypatch.setitem(BY_NAME, "parent", parent)
    return Image("child", "parent", tmp_path / "child", (Debs(),), "1", "MIT")


def test_a_key_stays_while_nothing_changes(image: Image) -> None:
    assert images.key(image) == images.key(image)


def test_a_key_changes_with_a_file_its_name_its_mode_the_version_and_the_parent(image: Image) -> None:
    keys = {images.key(image)}
    (image.folder / "start").write_text("a")
    keys.add(images.key(image))
    (image.folder / "start").write_text("b")
    keys.add(images.key(image))
    (image.folder / "start").chmod(0o755)
    keys.add(images.key(image))
    (image.folder / "start").rename(image.folder / "begin")
    keys.add(images.key(image))
    keys.add(images.key(replace(image, version="2")))
    (BY_NAME["parent"].folder / "Containerfile").write_text("FROM scratch\n")
    keys.add(images.key(image))
    assert len(keys) == 7


def test_what_python_leaves_behind_is_no_input(image: Image) -> None:
    before = images.key(image)
    (image.folder / "__pycache__").mkdir()
    (image.folder / "__pycache__" / "a.pyc").write_text("x")
    assert images.key(image) == before


def test_every_image_stands_on_one_that_comes_before_it() -> None:
    known = {""}
    for image in images.IMAGES:
        assert image.parent in known, image.name
        assert (image.folder / "Containerfile").is_file(), image.name
        known.add(image.name)


def _manifest(folder: Path) -> Manifest:
    (folder / ARCHIVE).write_text("")
    packages = (Package("deb", "libc6", "2.36"), Package("jar", "kafka-clients", "9.9.9"))
    return Manifest(folder, (ImageRecord("kafka", "0123", DIGEST, "9.9.9", "Apache-2.0", 7, packages),))


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path)
    manifest.write()
    assert Manifest.read(tmp_path) == manifest
    assert manifest.references() == {"kafka": f"localhost/iotlab/kafka@{DIGEST}"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": [{}]}', '{"images": 1}'])
def test_a_broken_manifest_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ARCHIVE).write_text("")
    (tmp_path / "manifest.json").write_text(text)
    assert Manifest.read(tmp_path) is None


def test_a_manifest_without_its_archive_is_none(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path)
    manifest.write()
    (tmp_path / ARCHIVE).unlink()
    assert Manifest.read(tmp_path) is None


def test_an_unknown_image_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no image 'nginx'; it has kafka"):
        _manifest(tmp_path).image("nginx")


def _layout(folder: Path) -> Path:
    layout = folder / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    (layout / "blobs" / "sha256" / ("ab" * 32)).write_text("{}")
    entry = {"digest": DIGEST, "annotations": {REFERENCE_NAME: "localhost/iotlab/kafka:0123"}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return layout


def test_each_image_gets_the_name_that_containerd_imports_it_under(tmp_path: Path) -> None:
    layout = _layout(tmp_path)
    assert name_images(layout) == {"localhost/iotlab/kafka:0123": DIGEST}
    annotations = json.loads((layout / "index.json").read_text())["manifests"][0]["annotations"]
    assert annotations == {CONTAINERD_NAME: "localhost/iotlab/kafka:0123", REFERENCE_NAME: "0123"}


def test_the_same_layout_makes_the_same_archive(tmp_path: Path) -> None:
    layout = _layout(tmp_path)
    pack(layout, tmp_path / "one.tar")
    (layout / "index.json").touch()
    pack(layout, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as archive:
        assert {"index.json", f"blobs/sha256/{'ab' * 32}"} <= set(archive.getnames())


def test_the_inventory_names_debian_packages_jars_and_python_packages(tmp_path: Path) -> None:
    status = tmp_path / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text(
        "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    (tmp_path / "opt/kafka/libs").mkdir(parents=True)
    (tmp_path / "opt/kafka/libs/kafka_2.13-9.9.9.jar").touch()
    (tmp_path / "usr/local/lib/python3.11/dist-packages/paho_mqtt-9.9.9.dist-info").mkdir(parents=True)
    assert list(inventory(tmp_path)) == [
        Package("deb", "libc6", "2.36-9"),
        Package("jar", "kafka_2.13", "9.9.9"),
        Package("pypi", "paho_mqtt", "9.9.9"),
    ]


def _elf(folder: Path, *kinds: int) -> Path:
    """The smallest 64-bit program file with these program headers."""
    head = bytearray(64)
    head[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", head, 32, 64)
    struct.pack_into("<HH", head, 54, 56, len(kinds))
    file = folder / "program"
    file.write_bytes(bytes(head) + b"".join(struct.pack("<I", kind).ljust(56, b"\0") for kind in kinds))
    return file


def test_a_program_that_needs_a_loader_is_not_static(tmp_path: Path) -> None:
    assert is_static(_elf(tmp_path, 1, 2))
    assert not is_static(_elf(tmp_path, 1, 3, 2))
    assert not is_static(Path(__file__))


def test_an_image_takes_a_static_program_of_the_toolchain_and_no_other(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    context = tmp_path / "context"
    making = Making(paths, Steps(paths), "ingress", tmp_path, context, tmp_path / "status")
    with pytest.raises(LabError, match="program is missing in the toolchain"):
        Program("program", "1").prepare(making)
    paths.bin.mkdir(parents=True)
    _elf(paths.bin, 3)
    with pytest.raises(LabError, match="needs shared libraries, so it cannot run alone in the image ingress"):
        Program("program", "1").prepare(making)
    static = _elf(paths.bin, 1)
    context.mkdir()
    Program("program", "1").prepare(making)
    assert (context / "bin/program").read_bytes() == static.read_bytes()
    assert Program("program", "1").fingerprint() != Program("program", "2").fingerprint()


def test_the_jars_of_an_image_are_gathered_beside_their_folder_under_its_whole_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    gathered: list[Path] = []

    def maven(_steps: Steps, _name: str, command: list[str]) -> None:
        (target,) = (Path(word.partition("=")[2]) for word in command if str(word).startswith("-DoutputDirectory="))
        target.mkdir()
        gathered.append(target)

    monkeypatch.setattr(java, "ensure", lambda _: None)
    monkeypatch.setattr(jars, "MAVEN", SimpleNamespace(run=maven))
    folder = jars.jars("kafka", paths, Steps(paths))
    assert gathered == [folder.with_name(f"{folder.name}.new")]
    assert folder.is_dir()


def test_a_stack_builds_the_images_that_its_services_run_and_what_they_stand_on() -> None:
    names = [image.name for image in images.needed_by({"mosquitto", "fleet", "iot-kafka-pipe"})]
    assert names == ["base", "python", "mosquitto", "apps"]
    assert images.needed_by(NEEDS.keys() - UPSTREAM) == images.IMAGES
    assert images.bundle_key(images.needed_by({"fleet"})) != images.bundle_key()


def test_an_archive_with_all_images_serves_every_stack(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path)
    whole, part = Bundle(paths, Steps(paths)), Bundle(paths, Steps(paths), images.needed_by({"fleet"}))
    assert part.folder != whole.folder
    whole.folder.mkdir(parents=True)
    (whole.folder / ARCHIVE).touch()
    Manifest(whole.folder, ()).write()
    assert part.folder == whole.folder
