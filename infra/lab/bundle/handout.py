"""The images as one file for a cluster that isn't ours: `kind load image-archive`, `microk8s images import`, `docker load`.

It is the bundle's OCI layout with two things more. A pod asks for `repository@digest`, and containerd knows an image only
by the names that the archive gives it (`--digests` of its importer makes names of its own): so each image stands there
twice, by tag and by digest. And docker without containerd's image store reads `manifest.json` alone.
"""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

from infra.lab.bundle.archived import ArchivedImages, blob_path
from infra.lab.bundle.bundle import CONTAINERD_NAME, REFERENCE_NAME
from infra.lab.bundle.manifest import ImageRecord, Manifest
from infra.lab.bundle.rootfs import EPOCH_S
from infra.lab.errors import UserError


def write_images(manifest: Manifest, file: Path) -> int:
    """Write all images into `file`; returns its size in bytes.

    Raises:
        UserError: it cannot be written there.
    """
    if not file.parent.is_dir():
        raise UserError(f"there is no folder {file.parent} to write {file.name} into.")
    scratch = file.with_name(f".{file.name}.new")
    try:
        with ArchivedImages.open(manifest.archive) as archive, tarfile.open(scratch, "w", format=tarfile.USTAR_FORMAT) as tar:
            _write(archive, manifest, tar)
        scratch.replace(file)
    except OSError as failed:
        raise UserError(f"{file} cannot be written: {failed.strerror}.") from failed
    finally:
        scratch.unlink(missing_ok=True)
    return file.stat().st_size


def _write(archive: ArchivedImages, manifest: Manifest, tar: tarfile.TarFile) -> None:
    heads: list[dict[str, Any]] = []
    docker: list[dict[str, Any]] = []
    written: set[str] = set()
    for image in manifest.images:
        text, media_type, blobs = archive.manifest(image.digest)
        heads += _heads(image, media_type, len(text))
        paths = [blob_path(blob.digest) for blob in blobs]
        docker.append({"Config": paths[0], "RepoTags": [image.tag], "Layers": paths[1:]})
        for digest, size in [(image.digest, len(text)), *((blob.digest, blob.size) for blob in blobs)]:
            if digest not in written:
                written.add(digest)
                with archive.blob(digest) as content:
                    tar.addfile(_member(blob_path(digest), size), content)
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": heads}
    for name, said in (("index.json", index), ("manifest.json", docker), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        plain = json.dumps(said, sort_keys=True).encode()
        tar.addfile(_member(name, len(plain)), BytesIO(plain))


def _heads(image: ImageRecord, media_type: str, size: int) -> list[dict[str, Any]]:
    described = {"mediaType": media_type, "digest": image.digest, "size": size}
    names = ({CONTAINERD_NAME: image.tag, REFERENCE_NAME: image.key}, {CONTAINERD_NAME: image.reference})
    return [described | {"annotations": annotations} for annotations in names]


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, EPOCH_S, 0o644
    return member
