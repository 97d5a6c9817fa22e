"""Archives of static programs are what containerd reads, and the same each time."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from infra.lab.cluster import addons
from infra.lab.cluster.images import archive_index, stale
from infra.lab.cluster.static_image import StaticImage, write
from infra.lab.errors import LabError


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in addons.PROGRAMS.values():
        (folder / program).write_bytes(f"program {program}".encode())
    return folder


@pytest.fixture
def archive(programs: Path, tmp_path: Path) -> Path:
    return addons.build_images(programs, tmp_path)


def read(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as packed:
        file = packed.extractfile(name)
        assert file is not None
        return file.read()


def test_the_same_files_give_the_same_bytes(programs: Path, tmp_path: Path) -> None:
    image = StaticImage("localhost/x:1", {"/x": programs / "pause"}, ["/x"], "0:0")
    write([image], tmp_path / "one.tar")
    write([image], tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_every_blob_is_named_by_its_content(archive: Path) -> None:
    with tarfile.open(archive) as packed:
        blobs = [name for name in packed.getnames() if name.startswith("blobs/sha256/")]
    assert len(blobs) == 3 * len(addons.PROGRAMS)
    for blob in blobs:
        assert hashlib.sha256(read(archive, blob)).hexdigest() == blob.rsplit("/", 1)[-1]


def test_manifest_config_and_layer_fit_together(archive: Path) -> None:
    for digest in archive_index(archive).values():
        manifest = json.loads(read(archive, f"blobs/sha256/{digest.removeprefix('sha256:')}"))
        described = json.loads(read(archive, f"blobs/sha256/{manifest['config']['digest'].removeprefix('sha256:')}"))
        assert described["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]


def test_the_program_can_be_run(archive: Path, tmp_path: Path) -> None:
    digest = archive_index(archive)[addons.image_names(archive)["volume-folder"]]
    manifest = json.loads(read(archive, f"blobs/sha256/{digest.removeprefix('sha256:')}"))
    layer = tmp_path / "layer.tar"
    layer.write_bytes(read(archive, f"blobs/sha256/{manifest['layers'][0]['digest'].removeprefix('sha256:')}"))
    with tarfile.open(layer) as packed:
        assert packed.getmember("volume-folder").mode == 0o755


def test_the_same_programs_are_not_packed_twice(programs: Path, archive: Path) -> None:
    written = archive.stat().st_mtime_ns
    assert addons.build_images(programs, archive.parent) == archive
    assert archive.stat().st_mtime_ns == written


def test_another_program_gives_another_archive_and_the_old_one_goes(programs: Path, archive: Path) -> None:
    (programs / "coredns").write_bytes(b"a newer one")
    newer = addons.build_images(programs, archive.parent)
    assert newer != archive
    assert not archive.exists()


def test_a_missing_program_is_named(programs: Path, tmp_path: Path) -> None:
    (programs / "volume-folder").unlink()
    with pytest.raises(LabError, match="volume-folder"):
        addons.build_images(programs, tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_what_is_no_archive_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "broken.tar"
    broken.write_bytes(content)
    with pytest.raises(LabError, match=r"broken\.tar is no OCI archive"):
        archive_index(broken)


def test_an_archive_without_an_addon_is_refused_with_its_name(programs: Path, tmp_path: Path) -> None:
    write([StaticImage("localhost/iotlab/pause:1", {"/pause": programs / "pause"}, ["/pause"], "0:0")], tmp_path / "one.tar")
    with pytest.raises(LabError, match="lacks coredns, local-path-provisioner, metrics-server, volume-folder"):
        addons.image_names(tmp_path / "one.tar")


def test_replaced_images_go_unless_something_runs_of_them() -> None:
    present = {
        "localhost/kafka:1": "sha256:1",
        "localhost/kafka@sha256:1": "sha256:1",
        "localhost/kafka:2": "sha256:2",
        "localhost/kafka@sha256:2": "sha256:2",
        "localhost/kafka:3": "sha256:3",
        "localhost/other:1": "sha256:4",
        "sha256:1d": "sha256:1",
    }
    assert stale(present, {"localhost/kafka@sha256:2"}, {"localhost/kafka:3": "sha256:3"}) == [
        "localhost/kafka:1",
        "localhost/kafka@sha256:1",
        "sha256:1d",
    ]
