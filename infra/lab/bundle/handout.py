"""The images as one file for a cluster that isn't ours: `kind load image-archive`, `microk8s images import`, `docker load`.

It is the bundle's OCI layout with two things more. A pod asks for `repository@digest`, and containerd knows an image only
by the names that the archive gives it (`--digests` of its importer makes names of its own): so each image stands there
twice, by tag and by digest. And docker without containerd's image store reads `manifest.json` alone.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from infra.lab.bundle.archived import ArchivedImages, blob_path
from infra.lab.bundle.bundle import CONTAINERD_NAME, REFERENCE_NAME
from infra.lab.bundle.manifest import Manifest
from infra.lab.bundle.rootfs import EPOCH_S
from infra.lab.bundle.upstream import Upstream
from infra.lab.errors import UserError


@dataclass(frozen=True, slots=True)
class Named:
    """An image of an archive with the two names that a cluster asks for it by: its tag and its digest."""

    archive: Path
    digest: str
    tag: str
    reference: str


def write_images(manifest: Manifest, file: Path, upstream: Sequence[tuple[Upstream, Manifest]] = ()) -> int:
    """Write all images into `file`, and those of publishers under their publishers' names; returns its size in bytes.

    Raises:
        UserError: it cannot be written there.
    """
    if not file.parent.is_dir():
        raise UserError(f"there is no folder {file.parent} to write {file.name} into.")
    named = [Named(manifest.archive, image.digest, image.tag, image.reference) for image in manifest.images]
    for publisher, brought in upstream:
        digest = brought.image(publisher.name).digest
        named.append(Named(brought.archive, digest, publisher.reference, publisher.exact(digest)))
    scratch = file.with_name(f".{file.name}.new")
    try:
        with ExitStack() as opened, tarfile.open(scratch, "w", format=tarfile.USTAR_FORMAT) as tar:
            archives = {place: opened.enter_context(ArchivedImages.open(place)) for place in {one.archive for one in named}}
            _write([(archives[one.archive], one) for one in named], tar)
        scratch.replace(file)
    except OSError as failed:
        raise UserError(f"{file} cannot be written: {failed.strerror}.") from failed
    finally:
        scratch.unlink(missing_ok=True)
    return file.stat().st_size


def _write(images: Sequence[tuple[ArchivedImages, Named]], tar: tarfile.TarFile) -> None:
    heads: list[dict[str, Any]] = []
    docker: list[dict[str, Any]] = []
    written: set[str] = set()
    for archive, image in images:
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


def _heads(image: Named, media_type: str, size: int) -> list[dict[str, Any]]:
    described = {"mediaType": media_type, "digest": image.digest, "size": size}
    tag = image.tag.rsplit(":", 1)[1]
    names = ({CONTAINERD_NAME: image.tag, REFERENCE_NAME: tag}, {CONTAINERD_NAME: image.reference})
    return [described | {"annotations": annotations} for annotations in names]


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, EPOCH_S, 0o644
    return member
