"""A bundle for machines that run one stack: of all images that were built, only those that its services need."""

from __future__ import annotations

import json
import shutil
import tarfile
from io import BytesIO
from pathlib import Path

from infra.lab.bundle import images
from infra.lab.bundle.archived import ArchivedImages, blob_path
from infra.lab.bundle.bundle import Bundle
from infra.lab.bundle.manifest import ImageRecord, Manifest
from infra.lab.bundle.rootfs import EPOCH_S

FOLDER = "lean"  # beside the archives that a lab starts from


def lean(bundle: Bundle) -> Manifest:
    """The images of this bundle alone; an archive of its own is written where the one that is there has more."""
    whole = bundle.ensure()
    needed = {image.name for image in bundle.chosen if image.shipped}
    if {image.name for image in whole.images} == needed:
        return whole
    folder = bundle.paths.cache / FOLDER / images.bundle_key(bundle.chosen)
    found = Manifest.read(folder)
    if found:
        return found
    shutil.rmtree(folder.parent, ignore_errors=True)
    folder.mkdir(parents=True)
    made = Manifest(folder, tuple(record for record in whole.images if record.name in needed))
    with bundle.steps.step("Archive of this stack's images"):
        _write(whole.archive, made.archive, made.images)
    made.write()
    return made


def _write(source: Path, file: Path, wanted: tuple[ImageRecord, ...]) -> None:
    """The layout with these images alone, each file of it once."""
    tags = {record.tag for record in wanted}
    with tarfile.open(source, "r:") as tar:
        layout, index = tar.extractfile("oci-layout"), tar.extractfile("index.json")
        plain = {"oci-layout": layout.read() if layout else b""}
        described = json.load(index) if index else {}
    kept = [head for head in described["manifests"] if any(tag in head["annotations"].values() for tag in tags)]
    plain["index.json"] = json.dumps(described | {"manifests": kept}, sort_keys=True).encode()
    with ArchivedImages.open(source) as archive, tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as into:
        for name, text in plain.items():
            into.addfile(_member(name, len(text)), BytesIO(text))
        sizes: dict[str, int] = {}
        for record in wanted:
            text, _, blobs = archive.manifest(record.digest)
            sizes |= {record.digest: len(text)} | {blob.digest: blob.size for blob in blobs}
        for digest, size in sizes.items():
            with archive.blob(digest) as content:
                into.addfile(_member(blob_path(digest), size), content)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, EPOCH_S, 0o644
    return member
