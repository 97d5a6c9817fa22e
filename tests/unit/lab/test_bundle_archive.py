"""A bundle is taken whole or not at all, and each refusal says why."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.lab.bundle import Exported, ImageRecord, Manifest, export_archive, images, import_archive
from infra.lab.bundle.manifest import ARCHIVE
from infra.lab.console import Steps
from infra.lab.errors import LabError, UserError
from infra.lab.paths import Paths
from infra.lab.toolchain import Toolchain

RECORD = ImageRecord("kafka", "0123", "sha256:" + "ab" * 32, "9.9.9", "Apache-2.0", 7, ())
UPSTREAM = ImageRecord("grafana", "1.0.0", "sha256:" + "cd" * 32, "1.0.0", "AGPL-3.0", 7, ())


@dataclass
class Lab:
    """A lab in a folder of the test's own; its toolchain has no parts."""

    paths: Paths
    steps: Steps
    toolchain: Toolchain

    @classmethod
    def at(cls, folder: Path) -> Lab:
        paths = Paths(folder / "cache", folder / "state")
        steps = Steps(paths)
        return cls(paths, steps, Toolchain(paths, steps, known=()))

    def take(self, source: str) -> Manifest:
        return import_archive(source, self.toolchain, self.paths, self.steps)


@pytest.fixture
def here(tmp_path: Path) -> Lab:
    return Lab.at(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Lab:
    return Lab.at(tmp_path / "there")


def _export(lab: Lab, file: Path, key: str = "") -> Exported:
    folder = lab.paths.cache / "images" / (key or images.bundle_key())
    folder.mkdir(parents=True)
    (folder / ARCHIVE).write_bytes(bytes(range(256)) * 4096)
    manifest = Manifest(folder, (RECORD,))
    manifest.write()
    wheels = lab.paths.cache / "wheels/0123"
    wheels.mkdir(parents=True, exist_ok=True)
    (wheels / "one-1-py3-none-any.whl").write_text("wheel")
    upstream = Manifest(lab.paths.cache / "upstream/grafana-1.0.0", (UPSTREAM,))
    upstream.folder.mkdir(parents=True, exist_ok=True)
    upstream.archive.write_bytes(b"a publisher's image")
    upstream.write()
    return export_archive(lab.toolchain, manifest, {"wheels/0123": wheels}, lab.steps, file, [upstream])


@pytest.mark.parametrize("name", ["lab.tar.gz", "lab.tar.zst"])
def test_what_was_exported_is_there_after_the_import(here: Lab, there: Lab, tmp_path: Path, name: str) -> None:
    exported = _export(here, tmp_path / name)
    taken = there.take(f"{exported.file}#sha256={exported.sha256}")
    assert taken.images == (RECORD,)
    assert taken.archive.read_bytes() == (here.paths.cache / "images" / images.bundle_key() / ARCHIVE).read_bytes()
    assert (there.paths.cache / "wheels/0123/one-1-py3-none-any.whl").read_text() == "wheel"
    brought = Manifest.read(there.paths.cache / "upstream/grafana-1.0.0")
    assert brought
    assert (brought.images, brought.archive.read_bytes()) == ((UPSTREAM,), b"a publisher's image")
    assert not list(there.paths.cache.glob(".bundle*"))


def test_the_door_finds_its_python_packages_first(here: Lab, tmp_path: Path) -> None:
    exported = _export(here, tmp_path / "lab.tar.gz")
    with tarfile.open(exported.file) as archive:
        files = [member.name for member in archive if member.isfile()]
    assert files[:2] == ["bundle.json", "wheels/0123/one-1-py3-none-any.whl"]


def test_a_second_import_changes_nothing(here: Lab, there: Lab, tmp_path: Path) -> None:
    exported = _export(here, tmp_path / "lab.tar.gz")
    first = there.take(str(exported.file)).archive.stat().st_mtime_ns
    assert there.take(str(exported.file)).archive.stat().st_mtime_ns == first


def test_another_hash_than_the_one_that_was_meant_is_refused(here: Lab, there: Lab, tmp_path: Path) -> None:
    exported = _export(here, tmp_path / "lab.tar.gz")
    with pytest.raises(UserError, match="not the bundle that was meant"):
        there.take(f"{exported.file}#sha256={'0' * 64}")


def test_a_bundle_of_one_stacks_images_is_taken_where_the_checkout_is_the_same(here: Lab, there: Lab, tmp_path: Path) -> None:
    exported = _export(here, tmp_path / "lab.tar.gz", key="0" * 16)
    assert there.take(str(exported.file)).folder.name == "0" * 16


def test_a_bundle_of_another_checkout_is_refused(here: Lab, there: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(images, "bundle_key", lambda: "0" * 16)
        exported = _export(here, tmp_path / "lab.tar.gz")
    with pytest.raises(UserError, match="another checkout"):
        there.take(str(exported.file))


def test_half_a_bundle_is_refused_and_leaves_nothing(here: Lab, there: Lab, tmp_path: Path) -> None:
    exported = _export(here, tmp_path / "lab.tar.gz")
    exported.file.write_bytes(exported.file.read_bytes()[: exported.size // 2])
    with pytest.raises(LabError, match="no bundle, or only a part"):
        there.take(str(exported.file))
    assert not list(there.paths.cache.iterdir())


def test_a_changed_file_is_named_and_nothing_is_used(here: Lab, there: Lab, tmp_path: Path) -> None:
    exported = _export(here, tmp_path / "lab.tar.gz")
    tree = tmp_path / "tree"
    with tarfile.open(exported.file) as archive:
        for member in archive:
            archive.extract(member, tree)
    (tree / "images" / images.bundle_key() / ARCHIVE).write_text("other")
    with tarfile.open(tmp_path / "changed.tar.gz", "w:gz") as archive:
        for child in sorted(tree.iterdir()):
            archive.add(child, child.name)
    with pytest.raises(LabError, match=r"damaged, first in images/.*/images\.tar"):
        there.take(str(tmp_path / "changed.tar.gz"))
    assert not (there.paths.cache / "images").exists()


def test_a_name_that_leads_out_of_the_archive_is_refused(there: Lab, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with tarfile.open(tmp_path / "lab.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "file", "images/../../escaped")
    with pytest.raises(UserError, match="leads out"):
        there.take(str(tmp_path / "lab.tar.gz"))


@pytest.mark.parametrize("text", ["", "hello"])
def test_what_is_no_archive_is_refused(there: Lab, tmp_path: Path, text: str) -> None:
    (tmp_path / "lab.tar.gz").write_text(text)
    with pytest.raises(UserError, match="no bundle"):
        there.take(str(tmp_path / "lab.tar.gz"))


def test_a_file_that_is_not_there_is_named(there: Lab) -> None:
    with pytest.raises(UserError, match=r"there is no bundle .*nowhere\.tar"):
        there.take("/nowhere.tar")


@pytest.mark.parametrize("place", ["http://[bad", "~nobody-of-that-name/lab.tar"])
def test_what_is_no_address_is_refused(there: Lab, place: str) -> None:
    with pytest.raises(UserError, match="is neither a file nor a URL"):
        there.take(place)


def test_a_folder_that_is_not_there_is_named(here: Lab, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        _export(here, tmp_path / "no" / "lab.tar.gz")
